#!/bin/sh
# Everything that needs no server: lint, format, types, dead code, unit tests. All at once, since most of them wait for each
# other's core only part of the time; a part's own words are shown only where it fails.

cd "$(dirname "$0")/.." || exit 1
# What Node.js and the compiler found out the last time is kept: most of a second check would go into finding it out again.
NODE_COMPILE_CACHE=${NODE_COMPILE_CACHE:-$PWD/node_modules/.cache/latchkey}
export NODE_COMPILE_CACHE
said=$(mktemp -d) || exit 1
trap 'rm -rf "$said"' EXIT
trap 'for pid in $pids; do kill "$pid" 2>/dev/null; done; exit 130' INT TERM HUP
pids=

# The tools are run by the pinned Node.js, which the "env node" in their first line may miss.
tool() {
  program=$1
  shift
  sh scripts/node.sh "node_modules/.bin/$program" "$@"
}

# The linter's and the compiler's workers would each find out the same types: one alone needs half of the processor time, and
# the other parts have the other cores. Neither lives long enough to collect garbage, unless that fills the memory.
GOGC=off
GOMEMLIMIT=1500MiB
export GOGC GOMEMLIMIT
lint() { GOMAXPROCS=1 tool oxlint --type-aware --deny-warnings src test scripts; }
format() { tool biome ci --colors=off .; }
types() {
  tool tsc --noEmit --singleThreaded --incremental --tsBuildInfoFile node_modules/.cache/latchkey.tsbuildinfo || return 1
  # What runs in a browser knows its names and not those of Node.js.
  tool tsc --noEmit --singleThreaded -p src/control-plane/console
}
dead_code() { tool knip --no-progress --cache; }
# In two processes, one a core, which need about the same time.
unit_tests() { sh scripts/node.sh --test-timeout=60000 scripts/run-tests.ts unit "$@"; }
engine_tests() { unit_tests 'test/{access,directory,engine,protocol}/**/*.test.ts'; }
other_tests() { unit_tests 'test/*.test.ts' 'test/!(access|directory|engine|protocol)/**/*.test.ts'; }

begin() {
  (
    began=$(date +%s)
    "$1" >"$said/$1" 2>&1
    code=$?
    echo "$code $(($(date +%s) - began))" >"$said/$1.result"
  ) &
  pids="$pids $!"
}

failed=0
end() {
  read -r code seconds <"$said/$1.result" || code=1
  if [ "$code" = 0 ]; then
    printf 'ok    %-12s %3s s  %s\n' "$1" "${seconds:-?}" "$(sed -n 's/^ℹ \(tests\|pass\|fail\) /\1 /p' "$said/$1" | tr '\n' ' ')"
  else
    failed=1
    printf 'FAIL  %-12s %3s s\n' "$1" "${seconds:-?}"
    # Of a test run its last word is enough, if it came to one, and what nobody awaited.
    if grep -q '^ℹ tests' "$said/$1"; then sed -n '/^nobody awaits:/,/^[✔✖▶ℹ]/p; /^ℹ/,$p' "$said/$1"; else cat "$said/$1"; fi
  fi
}

parts='engine_tests other_tests lint format types dead_code'
for part in $parts; do begin "$part"; done
for pid in $pids; do wait "$pid"; done
for part in $parts; do end "$part"; done
exit "$failed"

#!/bin/sh
# All tests: first what needs no server, then the tests with real servers and processes. TEST_SCALE=full is theirs to read: it
# repeats and enlarges what is worth repeating.

cd "$(dirname "$0")/.." || exit 1
# Most of the time that a process of ours takes to start goes into compiling, and the tests start more than a thousand.
NODE_COMPILE_CACHE=${NODE_COMPILE_CACHE:-$PWD/node_modules/.cache/latchkey}
export NODE_COMPILE_CACHE
# Meanwhile the servers are fetched, since two test files that find them missing would each fetch them.
sh scripts/node.sh src/sandbox/prepare.ts &
servers=$!
sh scripts/check.sh
checked=$?
wait "$servers" || {
  echo 'test.sh: not every directory server can be had, and without one its tests cannot be run.' >&2
  exit 1
}
[ "$checked" = 0 ] || exit "$checked"
# For a test that says nothing itself (a limit of its own replaces this one): in the sample none may take longer than five minutes,
# so that one that hangs is told of; at full scale some go on for more than an hour.
limit=300000
[ "${TEST_SCALE:-}" = full ] && limit=14400000
exec sh scripts/node.sh --test-timeout="$limit" --import ./test/support/untracked-promises.ts \
  --import ./test/support/end-of-file.ts scripts/run-tests.ts live

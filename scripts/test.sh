#!/bin/sh
# All tests: first what needs no server, then the tests with real servers and processes. TEST_SCALE=full is theirs to read: it
# repeats and enlarges what is worth repeating.

set -e
cd "$(dirname "$0")/.."
sh scripts/check.sh
# Two at a time: each starts servers of its own, on ports that the system gives.
exec sh scripts/node.sh --test --test-concurrency=2 --test-timeout=1200000 'test/**/*.live.ts'

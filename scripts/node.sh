#!/bin/sh
# Runs the pinned Node (npm puts node_modules/.bin first in PATH). Placeholder until the sandbox set-up lands.
exec node "$@"

#!/bin/bash
# Runs the frontend's tests: types, linter, unit tests. Installs its packages where the lock changed.
# Arguments go to vitest alone, and then nothing else runs.
set -euo pipefail
cd "$(dirname "$0")"
export NEXT_TELEMETRY_DISABLED=1

npm=()
# shellcheck source=/dev/null
source ./node.sh
if ! fits node || ! "${npm[@]}" --version >/dev/null 2>&1; then
    echo "SKIP todo-frontend: its tests need Node.js 20.9 or newer with npm, and there is none. Install it, or run make setup." >&2
    # Where everything has to be there, a skip is a failure.
    [ "${CI:-}" != true ]
    exit
fi

wanted=$(sha256sum package-lock.json)
if [ "$(cat node_modules/.installed 2>/dev/null)" != "$wanted" ]; then
    echo 'todo-frontend: npm ci'
    "${npm[@]}" ci --loglevel=error
    echo "$wanted" > node_modules/.installed
fi
bin=$PWD/node_modules/.bin
if [ $# -gt 0 ]; then
    exec "$bin/vitest" run "$@"
fi

# The three know nothing of each other: side by side they take half the time.
"$bin/tsc" --noEmit & types=$!
"$bin/eslint" --max-warnings 0 --cache --cache-location node_modules/.cache/eslint/ . & lint=$!
failed=()
"$bin/vitest" run || failed+=(vitest)
wait "$types" || failed+=(tsc)
wait "$lint" || failed+=(eslint)
if [ ${#failed[@]} -gt 0 ]; then
    echo "todo-frontend: failed: ${failed[*]}" >&2
    exit 1
fi
echo 'todo-frontend: types, linter and unit tests are fine'

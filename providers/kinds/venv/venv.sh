# What Venv does on a machine, as the owner of the environment. Its values are set in front of this text, one of the
# functions is called behind it. Requirements go through standard input: one can hold a token.
# shellcheck shell=sh disable=SC2154
set -eu
umask 022

pip() {
    bin/python -m pip --quiet "$@" || exit 47
}

make() {
    cd "$path"
    if [ -n "$rebuild" ] || [ ! -f pyvenv.cfg ] || ! bin/python -m pip --version >/dev/null 2>&1; then
        command -v "$python" >/dev/null || exit 45
        "$python" -c 'import ensurepip, venv' 2>/dev/null || exit 46
        # The mark of an environment stays or comes first: after a kill the next run knows it, and goes on.
        [ -z "$rebuild" ] || find . -mindepth 1 -maxdepth 1 ! -name pyvenv.cfg -exec rm -rf {} +
        [ -e pyvenv.cfg ] || : >pyvenv.cfg
        "$python" -m venv "$path"
    fi
    # shellcheck disable=SC2086
    [ -z "$install" ] || printf '%s\n' "$install" | pip install $options -r /dev/stdin
}

put_back() {
    make
    [ -z "$remove" ] || printf '%s\n' "$remove" | pip uninstall --yes -r /dev/stdin
}

# What GitCheckout does on a machine. Its values are set in front of this text, one of the functions is called behind it:
# as root `observe`, as the checkout's owner `make` and `put_back`.
# shellcheck shell=sh disable=SC2154
set -eu

# The commit that $revision means, as far as this checkout knows without asking the network.
resolve() {
    for prefix in refs/hearth/tags refs/hearth/heads refs/tags refs/remotes/origin; do
        git rev-parse --quiet --verify "$prefix/$revision^{commit}" && return
    done
    case $revision in
    *[!0-9a-f]*) return 1 ;;
    ???????*) git rev-parse --quiet --verify "$revision^{commit}" ;;
    *) return 1 ;;
    esac
}

has_section() {
    git config --local --get-regexp "^$1\\." >/dev/null
}

observe() {
    [ -e "$path/.git" ] || return 0
    command -v git >/dev/null || exit 127
    owner=$(stat -c %u "$path")
    group=$(stat -c %g "$path")
    # A checkout can name programs to run, so git reads it as its owner, never as root; and it must not refresh the index.
    become=
    [ "$owner" = "$(id -u)" ] || become="setpriv --reuid $owner --regid $group --clear-groups"
    git() {
        # shellcheck disable=SC2086
        $become env HOME=/nonexistent GIT_OPTIONAL_LOCKS=0 git -C "$path" "$@"
    }
    if ! message=$(git rev-parse --git-dir 2>&1); then
        echo "unreadable $message"
        return
    fi
    echo "commit $(git rev-parse --quiet --verify HEAD || true)"
    echo "branch $(git symbolic-ref --quiet --short HEAD || true)"
    echo "url $(git config --get remote.origin.url || true)"
    echo "tag $(git tag --points-at HEAD 2>/dev/null | head -n 1)"
    echo "wanted $(resolve || true)"
    git status --porcelain --untracked-files=no --ignore-submodules | sed 's/^.../modified /'
}

make() {
    umask 022
    cd "$path"
    force=--force
    if [ ! -e .git ]; then
        # Marked as ours before it gets its name: after a kill the next run goes on, and asks nobody.
        rm -rf .git.hearth
        git -c init.defaultBranch=main init --quiet --bare .git.hearth
        git --git-dir=.git.hearth config core.bare false
        git --git-dir=.git.hearth config hearth.managed made
        mv .git.hearth .git
    elif git rev-parse --git-dir >/dev/null && ! git config --local --get hearth.managed >/dev/null; then
        git rev-parse --quiet --verify HEAD >/dev/null || exit 42
        if [ -n "$(git status --porcelain --untracked-files=no --ignore-submodules)" ]; then
            git status --short --untracked-files=no --ignore-submodules >&2
            exit 41
        fi
        git update-ref refs/hearth/before HEAD
        git config hearth.managed taken
        force=
    fi
    managed=$(git config --local --get hearth.managed)

    current=$(git config --local --get remote.origin.url | sed -E 's#^(https?://)[^/@]*@#\1#' || true)
    if [ "$current" != "$url" ]; then
        if [ "$managed" = taken ] && has_section remote.origin && ! has_section hearth-before.origin; then
            git config --rename-section remote.origin hearth-before.origin
        elif has_section remote.origin; then
            git config --remove-section remote.origin
        fi
        # Not by `git config`: an address can be a secret, and arguments are seen by all.
        printf '%s' "$section" >>"$(git rev-parse --git-common-dir)/config"
    fi

    case $revision in
    *[!0-9a-f]*) known= ;;
    ????????????????????????????????????????) known=$(resolve || true) ;;
    *) known= ;;
    esac
    [ -n "$known" ] || download
    commit=$(resolve) || exit 43
    # shellcheck disable=SC2086
    git -c core.hooksPath=/dev/null checkout --quiet $force --detach "$commit"
}

download() {
    set -- '+refs/heads/*:refs/hearth/heads/*' '+refs/tags/*:refs/hearth/tags/*'
    [ "$managed" = taken ] || set -- "$@" '+refs/tags/*:refs/tags/*'
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    trap 'exit 143' TERM INT HUP
    printf '%s\n' "$credentials" >"$folder/credentials"
    git -c credential.helper= -c "credential.helper=store --file=$folder/credentials" \
        fetch --quiet --force --no-tags --prune --no-write-fetch-head "$url" "$@" || exit 44
}

put_back() {
    cd "$path"
    # Without the mark nothing was changed here: it was right when it was adopted.
    git config --local --get hearth.managed >/dev/null || return 0
    if [ -z "$branch" ]; then
        set -- --detach "$commit"
    elif git show-ref --quiet --verify "refs/heads/$branch"; then
        set -- "$branch"
    else
        set -- -B "$branch" "$commit"
    fi
    git -c core.hooksPath=/dev/null checkout --quiet --force "$@"
    if has_section hearth-before.origin; then
        ! has_section remote.origin || git config --remove-section remote.origin
        git config --rename-section hearth-before.origin remote.origin
    elif [ -z "$url" ] && has_section remote.origin; then
        git config --remove-section remote.origin
    fi
    git for-each-ref --format='delete %(refname)' refs/hearth | git update-ref --stdin
    git config --remove-section hearth
}

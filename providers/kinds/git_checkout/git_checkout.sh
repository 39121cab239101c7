# What GitCheckout does on a machine. Its values are set in front of this text, one of the functions is called behind it:
# as root `observe`, as the checkout's owner `refuse`, `make` and `put_back`.
# shellcheck shell=sh disable=SC2154,SC2016
set -eu
become=
export HOME="${HOME:-/nonexistent}"
local_protocol=
case ${url:-} in file://*) local_protocol='-c protocol.file.allow=always' ;; esac

# Looking and making go by one configuration, the owner's, but for what would run programs or reach further than asked.
git() {
    # shellcheck disable=SC2086
    set -- -c core.hooksPath=/dev/null -c core.fsmonitor=false -c submodule.recurse=false $local_protocol "$@"
    if [ -n "$become" ]; then $become git "$@"; else command git "$@"; fi
}

# The names by which this checkout may know $revision without asking the network, the first of them first.
meanings() {
    for prefix in refs/hearth/tags refs/hearth/heads refs/hearth/more refs/tags refs/remotes/origin; do
        printf '%s/%s^{commit}\n' "$prefix" "${revision#refs/}"
    done
    case $revision in
    *[!0-9a-f]*) ;;
    ???????*) printf '%s^{commit}\n' "$revision" ;;
    esac
}

# For each name on a line of the input its commit; one that means none comes back, with a blank and why not behind it.
commits() {
    git cat-file --batch-check='%(objectname)' 2>/dev/null
}

# The commit that $revision means; fails where it means none here.
resolve() {
    meanings | commits | grep -v -m 1 ' '
}

has_section() {
    git config --local --get-regexp "^$1\\." >/dev/null
}

setting() {
    git config --local --get "$1" || [ $? = 1 ]
}

# Tracked files that are not as in HEAD, one to a line; fails where that can't be told. What somebody has told git not to
# look at (assume-unchanged, skip-worktree) is looked at in a copy of the index that knows nothing of that.
changed() {
    changed_scratch=
    if git ls-files -v 2>/dev/null | LC_ALL=C grep -q '^[a-zS] '; then
        changed_scratch=$(mktemp -d)
        cat "$(git rev-parse --git-path index)" >"$changed_scratch/index"
        chown -R "$(stat -c %u .)" "$changed_scratch"
        export GIT_INDEX_FILE="$changed_scratch/index"
        git ls-files -z -v | LC_ALL=C grep -z '^[a-z] ' | cut -z -c 3- |
            git update-index -z --no-assume-unchanged --stdin
        # One that is not there is left out of a sparse checkout.
        git ls-files -z -v | LC_ALL=C grep -z '^[sS] ' | cut -z -c 3- |
            xargs -0 -r sh -c 'for each; do [ ! -e "$each" ] && [ ! -L "$each" ] || printf "%s\0" "$each"; done' sh |
            git update-index -z --no-skip-worktree --stdin
    fi
    ignored=--ignore-submodules
    [ "${submodules:-}" != yes ] || ignored=--ignore-submodules=none
    changed_failed=
    changed_files=$(GIT_OPTIONAL_LOCKS=0 git status --porcelain --untracked-files=no "$ignored") || changed_failed=yes
    [ -z "$changed_scratch" ] || {
        unset GIT_INDEX_FILE
        rm -rf "$changed_scratch"
    }
    [ -z "$changed_failed" ] || return 1
    [ -z "$changed_files" ] || printf '%s\n' "$changed_files" | sed 's/^...//'
}

# Files of nobody's, tracked neither here nor there, that a checkout of $1 would write over, one to a line.
in_the_way() {
    # Mostly there are none, and nothing has to be compared.
    others=$(git ls-files --others --directory) || return
    [ -n "$others" ] || return 0
    { git ls-files -z --others && printf '/\0' && git ls-tree -r -z --name-only "$1"; } | python3 -I -c '
import sys
names = sys.stdin.buffer.read().split(b"\0")
cut = names.index(b"/")
others, tree = names[:cut], set(names[cut + 1 : -1])
folders = {name[:at] for name in tree for at in range(len(name)) if name[at : at + 1] == b"/"}
for name in others:
    parts = name.rstrip(b"/").split(b"/")
    above = {b"/".join(parts[: at + 1]) for at in range(len(parts))}
    if above & tree or name.rstrip(b"/") in folders and not name.endswith(b"/"):
        print(name.decode("utf-8", "backslashreplace"))
'
}

observe() {
    [ -e "$path/.git" ] || return 0
    command -v git >/dev/null || exit 127
    cd "$path"
    owner=$(stat -c %u .)
    # A checkout can name programs to run, so git reads it as its owner, never as root; and it must not refresh the index.
    if [ "$owner" != "$(id -u)" ]; then
        become="setpriv --reuid $owner --regid $(stat -c %g .) --clear-groups"
        HOME=$(getent passwd "$owner" | cut -d: -f6)
        HOME=${HOME:-/nonexistent}
    fi
    export GIT_OPTIONAL_LOCKS=0
    if ! message=$(git rev-parse --git-dir 2>&1); then
        echo "unreadable $message"
        return
    fi
    errors=$(mktemp)
    if ! names=$(changed 2>"$errors"); then
        echo "unreadable $(grep -v '^warning' "$errors" | head -n 1)"
        rm -f "$errors"
        return
    fi
    rm -f "$errors"
    { echo 'HEAD^{commit}' && meanings; } | commits | {
        read -r head || head=
        case $head in *' '*) head= ;; esac
        echo "commit $head"
        echo "wanted $(grep -v -m 1 ' ' || true)"
    }
    echo "branch $(git symbolic-ref --quiet --short HEAD || true)"
    echo "url $(git config --get remote.origin.url || true)"
    # Asked for by an import alone, whose revision are zeros.
    case $revision in
    *[!0]*) ;;
    *) echo "tag $(git tag --points-at HEAD 2>/dev/null | head -n 1)" ;;
    esac
    [ -z "$names" ] || printf '%s\n' "$names" | sed 's/^/modified /'
    if [ "${submodules:-}" = yes ]; then
        if ! names=$(git submodule status --recursive 2>&1); then
            echo "submodule ${names%%
*}"
        else
            printf '%s\n' "$names" | sed -n -e '/^[ +]/s/^./initialised /p' -e 's/^[-+U]/submodule /p'
        fi
    fi
}

# 0 where a checkout may be changed; what is somebody's own is refused, before anything is touched.
refuse() {
    cd "$path"
    git rev-parse --git-dir >/dev/null
    [ -z "$(setting hearth.managed)" ] || return 0
    git rev-parse --quiet --verify HEAD >/dev/null || exit 42
    names=$(changed) || exit 50
    [ -z "$names" ] || {
        printf '%s\n' "$names" >&2
        exit 41
    }
}

make() {
    umask 022
    cd "$path"
    if [ ! -e .git ]; then
        # Marked as ours before it gets its name: after a kill the next run goes on, and asks nobody.
        rm -rf .git.hearth
        git -c init.defaultBranch=main init --quiet --bare .git.hearth
        git --git-dir=.git.hearth config core.bare false
        git --git-dir=.git.hearth config hearth.managed made
        mv .git.hearth .git
    fi
    git rev-parse --git-dir >/dev/null
    managed=$(setting hearth.managed)
    [ -n "$managed" ] || refuse
    known=
    case $revision in
    *[!0-9a-f]*) ;;
    ????????????????????????????????????????) known=$(resolve || true) ;;
    esac
    [ -n "$known" ] || download
    commit=$(resolve) || {
        [ -n "$managed" ] || forget_refs
        exit 43
    }
    [ -z "$managed" ] || go_on_from_a_kill
    names=$(in_the_way "$commit")
    if [ -n "$names" ]; then
        [ -n "$managed" ] || forget_refs
        printf '%s\n' "$names" >&2
        exit 48
    fi
    if [ -e "$(git rev-parse --git-path index.lock)" ]; then
        [ -n "$managed" ] || forget_refs
        exit 51
    fi
    # From here on nothing can be refused: now it is ours.
    if [ -z "$managed" ]; then
        git update-ref refs/hearth/before HEAD
        git config hearth.managed taken
        managed=taken
    fi
    set_remote
    git config hearth.checkout "$commit"
    git checkout --quiet --force --detach "$commit"
    git config --unset hearth.checkout
    [ "${submodules:-}" != yes ] || with_credentials git submodule --quiet update --init --recursive --force || exit 44
}

# What a checkout of ours that was cut short left: files that look like somebody's, and an index that is locked or half.
go_on_from_a_kill() {
    interrupted=$(setting hearth.checkout)
    if [ -n "$interrupted" ]; then
        rm -f "$(git rev-parse --git-path index.lock)"
    fi
    if ! git ls-files >/dev/null 2>&1; then
        rm -f "$(git rev-parse --git-path index)"
        git rev-parse --quiet --verify HEAD >/dev/null && git read-tree HEAD
    fi
    [ -z "$interrupted" ] || git checkout --quiet --force --detach "$interrupted"
}

set_remote() {
    current=$(git config --local --get remote.origin.url | sed -E 's#^(https?://)[^/@]*@#\1#' || true)
    [ "$current" != "$url" ] || return 0
    if [ "$managed" = taken ] && has_section remote.origin && ! has_section hearth-before.origin; then
        git config --rename-section remote.origin hearth-before.origin
    elif has_section remote.origin; then
        git config --remove-section remote.origin
    fi
    # Not by `git config`: an address can be a secret, and arguments are seen by all.
    printf '%s' "$section" >>"$(git rev-parse --git-common-dir)/config"
}

with_credentials() {
    credentials_folder=$(mktemp -d)
    trap 'rm -rf "$credentials_folder"' EXIT
    trap 'exit 143' TERM INT HUP
    printf '%s\n' "$credentials" >"$credentials_folder/credentials"
    shift
    git -c credential.helper= -c "credential.helper=store --file=$credentials_folder/credentials" "$@"
}

fetch() {
    with_credentials git fetch --quiet --force --no-tags --no-recurse-submodules --no-write-fetch-head "$@"
}

download() {
    # Of a clone that was there with all its history nothing is cut off.
    if [ -n "${depth:-}" ] && [ "$managed" = made ] && shallow; then
        return
    fi
    set -- '+refs/heads/*:refs/hearth/heads/*' '+refs/tags/*:refs/hearth/tags/*'
    [ -z "${refspec:-}" ] || set -- "$@" "+$refspec:refs/hearth/more/${refspec#refs/}"
    [ "$managed" != made ] || set -- "$@" '+refs/tags/*:refs/tags/*'
    whole=
    [ "$(git rev-parse --is-shallow-repository)" != true ] || [ "$managed" != made ] || whole=--unshallow
    # shellcheck disable=SC2086
    fetch --prune $whole "$url" "$@" || exit 44
}

# The last $depth commits of what is wished, where it has a name there or the other side gives out single commits.
shallow() {
    case $revision in
    *[!0-9a-f]*) set -- "+refs/tags/$revision:refs/hearth/tags/$revision" "+refs/heads/$revision:refs/hearth/heads/$revision" ;;
    ????????????????????????????????????????) set -- "$revision" ;;
    *) set -- "+refs/tags/$revision:refs/hearth/tags/$revision" "+refs/heads/$revision:refs/hearth/heads/$revision" ;;
    esac
    [ -z "${refspec:-}" ] || set -- "$@" "+$refspec:refs/hearth/more/${refspec#refs/}"
    found=
    for each; do
        if fetch --depth "$depth" "$url" "$each" 2>/dev/null; then found=yes; fi
    done
    [ -n "$found" ] && resolve >/dev/null
}

forget_refs() {
    git for-each-ref --format='delete %(refname)' refs/hearth | git update-ref --stdin
    find "$(git rev-parse --git-common-dir)/refs/hearth" -depth -type d -empty -delete 2>/dev/null || true
}

# 49 where it stays at the commit that it is at, since something of somebody's would be lost.
put_back() {
    cd "$path"
    # Without the mark nothing was changed here: it was right when it was adopted.
    [ -n "$(setting hearth.managed)" ] || return 0
    status=0
    if [ -z "$branch" ]; then
        set -- --detach "$commit"
    elif git show-ref --quiet --verify "refs/heads/$branch"; then
        set -- "$branch"
    else
        set -- -B "$branch" "$commit"
    fi
    target=$(git rev-parse --quiet --verify "refs/heads/$branch" || echo "$commit")
    if [ -n "$(setting hearth.checkout)" ]; then
        go_on_from_a_kill
    fi
    if ! names=$(changed) || [ -n "$names" ]; then
        printf '%s\n' "$names" >&2
        status=49
    else
        names=$(in_the_way "$target")
        if [ -n "$names" ]; then
            printf '%s\n' "$names" >&2
            status=49
        else
            [ "${submodules:-}" != yes ] || [ "$had_submodules" = yes ] || git submodule --quiet deinit --force --all
            git checkout --quiet --force "$@"
            put_submodules_back
        fi
    fi
    if has_section hearth-before.origin; then
        ! has_section remote.origin || git config --remove-section remote.origin
        git config --rename-section hearth-before.origin remote.origin
    elif [ -z "$url" ] && has_section remote.origin; then
        git config --remove-section remote.origin
    fi
    forget_refs
    git config --remove-section hearth
    exit "$status"
}

put_submodules_back() {
    [ "${submodules:-}" = yes ] || return 0
    if [ "$had_submodules" = yes ]; then
        git submodule --quiet update --init --recursive
    else
        rm -rf "$(git rev-parse --git-common-dir)/modules"
    fi
}

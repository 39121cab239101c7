#!/bin/sh
# One phase of the rollout on NixOS: rollout.sh FLAKE CONFIGURATION FOLDER PHASE SECRETS [SERVICE...]
# The services are well before and after it, and SECRETS (names, in one word) are where sops puts them, for root alone;
# otherwise the phase is rolled back, and the error says which and why.
set -eu
flake=$1 configuration=$2 folder=$3 phase=$4 secrets=$5
shift 5
target=$flake/hearth-maubot.nix
run_secrets=${RUN_SECRETS:-/run/secrets}
files='modules/maubot.nix modules/dev-services-maubot.nix
    hearth-maubot/health.py hearth-maubot/backup.py hearth-maubot/told.json'

# The services of those named that are on this machine and not well, each after a blank.
unwell() {
    for name; do
        case $(systemctl show --property=LoadState,ActiveState "$name.service" | sort | tr '\n' ' ') in
        *LoadState=loaded*)
            [ "$(systemctl is-active "$name.service" || :)" = active ] || printf ' %s' "$name"
            ;;
        esac
    done
}

# Whether one of those named has failed: it does not come back by itself.
lost() {
    for name; do
        systemctl is-failed --quiet "$name.service" && return 0
    done
    return 1
}

# The secrets that are not there, or that others may read, each after a blank.
unready() {
    for name in $secrets; do
        [ "$(stat -L -c %a "$run_secrets/$name" 2>/dev/null)" = 400 ] || printf ' %s' "$name"
    done
}

# The flake as it was after the last phase that went well, and the system with it.
back() {
    if [ -d "$folder/good" ]; then
        for file in hearth-maubot.nix $files; do
            cp "$folder/good/$file" "$flake/$file"
        done
    elif [ -e "$folder/original/hearth-maubot.nix" ]; then
        cp -p "$folder/original/hearth-maubot.nix" "$target"
    else
        rm -f "$target"
    fi
    nixos-rebuild switch --rollback >>"$folder/log" 2>&1 || echo "and the way back failed, too: see $folder/log" >&2
}

bad=$(unwell "$@")
if [ -n "$bad" ]; then
    echo "before the phase '$phase' these were not well, so nothing was changed:$bad" >&2
    exit 1
fi
if [ ! -d "$folder/original" ]; then
    mkdir -p "$folder/original.part"
    [ ! -e "$target" ] || cp -p "$target" "$folder/original.part/"
    mv "$folder/original.part" "$folder/original"
fi
cp "$folder/$phase.nix" "$target"
# A flake in a git checkout sees only what git knows of.
# shellcheck disable=SC2086 # names without blanks
git -C "$flake" add --intent-to-add hearth-maubot.nix $files 2>/dev/null || :
if ! nixos-rebuild switch --flake "$flake#$configuration" >"$folder/log" 2>&1; then
    tail -n 15 "$folder/log" >&2
    back
    echo "the phase '$phase' could not be switched to, and was rolled back" >&2
    exit 1
fi
[ "$phase" != service ] || set -- "$@" maubot
# Well several times in a row: what is started anew all the time is well for moments.
tries=0 good=0 failed=0 seen=
while [ "$good" -lt "${SETTLE_LOOKS:-5}" ] && [ "$tries" -lt "${SETTLE_TRIES:-60}" ]; do
    [ "$tries" -eq 0 ] || sleep "${SETTLE_PAUSE:-1}"
    tries=$((tries + 1)) good=$((good + 1))
    bad=$(unwell "$@")
    [ -z "$bad" ] || good=0 seen=$bad
    if lost "$@"; then failed=$((failed + 1)); else failed=0; fi
    [ "$failed" -lt "${SETTLE_LOOKS:-5}" ] || break
done
bad=${bad:-$seen}
missing=$(unready)
if [ "$good" -ge "${SETTLE_LOOKS:-5}" ]; then
    bad=
fi
if [ -n "$bad$missing" ]; then
    for name in $bad; do
        journalctl --unit "$name" --lines 4 --output cat --no-pager >&2 || :
    done
    back
    [ -z "$missing" ] || echo "these secrets are not in $run_secrets with mode 400:$missing" >&2
    echo "after the phase '$phase' these were not well, so it was rolled back:$bad$missing" >&2
    exit 1
fi
rm -rf "$folder/good.part"
for file in hearth-maubot.nix $files; do
    mkdir -p "$folder/good.part/$(dirname "$file")"
    cp "$flake/$file" "$folder/good.part/$file"
done
rm -rf "$folder/good"
mv "$folder/good.part" "$folder/good"

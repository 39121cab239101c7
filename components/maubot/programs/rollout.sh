#!/bin/sh
# One phase of the rollout on NixOS: rollout.sh FLAKE CONFIGURATION FOLDER PHASE [SERVICE...]
# The services are well before and after it; otherwise the phase is rolled back, and the error says which and why.
set -eu
flake=$1 configuration=$2 folder=$3 phase=$4
shift 4
target=$flake/hearth-maubot.nix

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

put_back() {
    if [ -e "$folder/before.nix" ]; then
        cp "$folder/before.nix" "$target"
    else
        rm -f "$target"
    fi
}

bad=$(unwell "$@")
if [ -n "$bad" ]; then
    echo "before the phase '$phase' these were not well, so nothing was changed:$bad" >&2
    exit 1
fi
rm -f "$folder/before.nix"
[ ! -e "$target" ] || cp "$target" "$folder/before.nix"
cp "$folder/$phase.nix" "$target"
# A flake in a git checkout sees only what git knows of.
git -C "$flake" add --intent-to-add hearth-maubot.nix hearth-maubot modules/maubot.nix modules/dev-services-maubot.nix 2>/dev/null || :
if ! nixos-rebuild switch --flake "$flake#$configuration" >"$folder/log" 2>&1; then
    tail -n 15 "$folder/log" >&2
    put_back
    nixos-rebuild switch --rollback >>"$folder/log" 2>&1 || echo "and the way back failed, too: see $folder/log" >&2
    echo "the phase '$phase' could not be switched to, and was rolled back" >&2
    exit 1
fi
[ "$phase" != service ] || set -- "$@" maubot
tries=0
while bad=$(unwell "$@") && [ -n "$bad" ] && [ "$tries" -lt "${SETTLE_TRIES:-60}" ]; do
    tries=$((tries + 1))
    sleep 1
done
if [ -n "$bad" ]; then
    for name in $bad; do
        journalctl --unit "$name" --lines 4 --output cat --no-pager >&2 || :
    done
    put_back
    nixos-rebuild switch --rollback >>"$folder/log" 2>&1 || echo "and the way back failed, too: see $folder/log" >&2
    echo "after the phase '$phase' these were not well, so it was rolled back:$bad" >&2
    exit 1
fi

"""Files that take effect by themselves: who else may write into them, and which manager has to read them anew.

Shared by the kinds that write files. What stands in such a file is done by root or by an account, so a stranger who may
write into it has a way in: that is drift, and the write permission is taken away. What a service manager has read stays
loaded until it looks again, and a unit that it made from a line (an automount) stays when the line goes.
Sources: systemd.unit(5), systemd.generator(7), systemd-fstab-generator(8), podman-systemd.unit(5), systemd(1) (SIGHUP).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from providers.kind import canonical
from providers.machine.session import Session, Stat
from toolchain.lines import lines_in, mount_fields

FSTAB = "/etc/fstab"
_SYSTEM = re.compile(
    r"/etc/(fstab|crypttab)|(/etc|/run|/usr/local/lib|/usr/lib|/lib)/systemd/(system|system\.control)/.+|/etc/init\.d/.+"
    r"|(/etc|/run|/usr/share)/containers/systemd/(?!users/).+"
)
_ALL_USERS = re.compile(r"(/etc|/run|/usr/local/lib|/usr/lib|/lib)/systemd/user/.+|/etc/containers/systemd/users/.+")
_ONE_USER = re.compile(r"(/.+)/\.config/(systemd/user|containers/systemd)/.+")
_ROOTS = re.compile(
    r"/etc/(fstab|crypttab|sudoers|environment|profile|passwd|group|g?shadow|sub[ug]id|crontab|rc\.local|ld\.so\..+"
    r"|ssh/ssh(d|_host)_.+|ssh/sshd_config\.d/.+|containers/systemd/(?!users/).+"
    r"|(sudoers\.d|cron\.\w+|systemd|pam\.d|profile\.d|security|apt|udev|modprobe\.d|init\.d"
    r"|modules-load\.d|sysctl\.d|tmpfiles\.d|network|default|polkit-1|dbus-1)/.+)"
    r"|/(boot|usr|lib|lib64|bin|sbin|root|run/systemd)/.+|/var/spool/cron/(crontabs/)?root"
)
"""What root acts on by itself. Elsewhere a file may well be an account's or a group's."""
LIST = "system.posix_acl_access"

# A reload that began after we asked has read what we wrote.
_RELOAD = """
[ -n "$scope" ] || [ -d /run/systemd/system ] || exit 0
mkdir -p -m 0700 "$folder"
asked=$(mktemp "$folder/asked.XXXXXX")
trap 'rm -f "$asked"' EXIT
exec 9>> "$folder/reload"
flock 9
if [ -z "$(find "$folder/reloaded" -newer "$asked" 2> /dev/null)" ]; then
    touch "$folder/began"
    systemctl $scope daemon-reload
    mv "$folder/began" "$folder/reloaded"
fi
"""
_HANG_UP = """
systemctl list-units --plain --no-legend --state=active 'user@*.service' 2> /dev/null | while read -r unit _; do
    pid=$(systemctl show -p MainPID --value "$unit")
    [ "${pid:-0}" -le 1 ] || kill -HUP "$pid" || true
done
"""
# What was mounted by way of an automount of such a line goes with it; another mount is somebody's own.
_FORGET = """
while IFS= read -r each; do
    case $each in
    /*) automount=$(systemd-escape --path --suffix=automount -- "$each")
        mount=$(systemd-escape --path --suffix=mount -- "$each") ;;
    *) automount= mount=$each ;;
    esac
    if [ -n "$automount" ] && [ "$(systemctl show -p LoadState --value "$automount")" = not-found ] &&
            systemctl is-active --quiet "$automount"; then
        timeout 30 systemctl stop "$automount" "$mount" 2>&1 || true
    fi
    for unit in $automount "$mount"; do
        ! systemctl is-failed --quiet "$unit" || [ "$(systemctl show -p UnitFileState --value "$unit")" ] ||
            systemctl reset-failed "$unit" 2>&1 || true
    done
done
"""

_SAME = """
IFS= read -r wanted
while IFS= read -r each; do
    if [ "$each" -ef "$wanted" ]; then echo "$each"; break; fi
done
"""


async def reload(session: Session, user: str | None) -> None:
    """Have a service manager read its files again. Of several who ask at the same time one does it for all."""
    folder = '"$XDG_RUNTIME_DIR/hearth"' if user else "/run/hearth"
    scope = "--user" if user else ""
    await session.run("sh", "-eu", script=f"folder={folder} scope={scope}\n{_RELOAD}", user=user)


def is_read(path: str) -> bool:
    """Return whether a service manager reads the file, and has to be told that it changed."""
    return any(each.fullmatch(path) for each in (_SYSTEM, _ALL_USERS, _ONE_USER))


async def read_anew(session: Session, path: str, old: str, new: str) -> None:
    """Have whoever reads `path` read it, after it was changed from one text to another ("" for no file).

    Does nothing where no service manager reads it. What it had made of lines that have gone, goes.
    """
    await read_all_anew(session, {path: (old, new)})


async def read_all_anew(session: Session, changes: Mapping[str, tuple[str, str]]) -> None:
    """Do for many files (path -> text before, text now) what `read_anew` does for one: each manager reads once.

    The texts count for /etc/fstab alone; of others, whether there is a file.
    """
    changed = {path: texts for path, texts in changes.items() if texts[0] != texts[1]}
    if system := [path for path in changed if _SYSTEM.fullmatch(path)]:
        await reload(session, None)
        gone = [path.rpartition("/")[2] for path in system if not changed[path][1] and path != FSTAB]
        if FSTAB in changed:
            old, new = changed[FSTAB]
            gone += sorted(set(mount_points(old)) - set(mount_points(new)))
        if gone:
            await session.run("sh", stdin="".join(f"{each}\n" for each in gone), script=_FORGET, check=False)
    if any(_ALL_USERS.fullmatch(path) for path in changed):
        await session.run("sh", script=_HANG_UP, check=False)
    for home in sorted({found[1] for path in changed if (found := _ONE_USER.fullmatch(path))}):
        if user := await _user_at(session, home):
            answers = await session.run("systemctl", "--user", "show", "-p", "Version", user=user, check=False)
            if answers.ok:  # else it reads them when it starts
                await reload(session, user)


async def _user_at(session: Session, home: str) -> str | None:
    """Return whose home it is: by its name, or where a link leads there, as /home may be one."""
    lines = (line.split(":") for line in lines_in((await session.run("getent", "passwd", check=False)).stdout))
    users = {canonical(fields[5]): fields[0] for fields in lines if len(fields) == 7 and fields[5].startswith("/")}
    if home in users:
        return users[home]
    asked = "".join(f"{each}\n" for each in (home, *users))
    same = (await session.run("sh", stdin=asked, script=_SAME, check=False)).stdout.strip()
    return users.get(same)


def mount_point(line: str) -> str | None:
    """Return the path that a line of /etc/fstab mounts on; None for a line that mounts on none."""
    fields = mount_fields(line)
    if len(fields) < 2 or fields[0].startswith("#") or not fields[1].startswith("/"):
        return None
    return canonical(fields[1])


def mount_points(text: str) -> list[str]:
    """Return the paths that the lines of a text mount on."""
    return [point for line in text.split("\n") if (point := mount_point(line)) is not None]


@dataclass(frozen=True)
class Strangers:
    """Who may write into a file beside those who are meant to, and what keeps them from it."""

    reasons: Sequence[str] = ()
    mode: str | None = None
    owner: str | None = None


def strangers(path: str, stat: Stat, *, mode: bool = False, owner: bool = False) -> Strangers:
    """Return who else may write into a file, by its owner and mode; `mode`, `owner`: that one is as somebody wishes."""
    bits, reasons, taken = int(stat.mode, 8), list[str](), 0
    root_acts = _ROOTS.fullmatch(path) is not None
    if bits & 0o002 and not mode:
        reasons.append(f"everybody may write into it: its mode is {stat.mode}")
        taken |= 0o002
    if root_acts and bits & 0o020 and not mode and (stat.group not in ("root", "0") or LIST in stat.attributes):
        who = f"the group {stat.group}" if stat.group not in ("root", "0") else "others, by its access control list,"
        reasons.append(f"{who} may write into it, and root acts on it: its mode is {stat.mode}")
        taken |= 0o020
    foreign = root_acts and not owner and stat.owner not in ("root", "0")
    if foreign:
        reasons.append(f"{stat.owner} may write into it, and root acts on it: it belongs to {stat.owner}")
    safe = f"{bits & ~taken:04o}" if taken else None
    return Strangers(tuple(reasons), safe, "root" if foreign else None)


def with_reasons(text: str, reasons: Sequence[str]) -> str:
    """Return a found text with a line for each reason why more than it counts: so it is no longer what is wished."""
    return text + "".join(f"<{each}>\n" for each in reasons)

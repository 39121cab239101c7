"""A line of /etc/fstab for a Windows share, and the names of the units that systemd makes of it: pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from config.addresses import bracketed

_REASONS = """\
# credentials     user and password, in a file that root alone may read
# uid, gid        files belong to the service account
# file_mode       it and its group may read files, nobody else
# dir_mode        and look into folders
# soft            a Windows machine that is away gives an error, not a process that hangs
# _netdev         needs the network
# x-systemd.automount  mounted at the first access, so that a boot never waits for it
# nofail          a boot goes on without it
# echo_interval   a Windows machine that is away gives that error within a minute"""


ECHO_SECONDS = 10
"""Seconds between two words to an idle server. Where three are not answered the kernel takes it for away, and whoever
reads has an error some 15 seconds later; its own default makes that more than three minutes. Source: mount.cifs(8)."""


@dataclass(frozen=True)
class CifsMount:
    """A Windows share and where it is mounted. `uid` and `gid` are numbers of the machine."""

    server: str
    share: str
    mount_point: str
    credentials_file: str
    uid: int
    gid: int
    port: int | None = None
    read_only: bool = True


def field(value: str) -> str:
    """Return a value as one field of a line, as fstab(5) has it.

    Blanks, line ends and backslashes are three octal digits.

    Those and no others: getmntent(3), by which systemd reads the file, knows these four alone, where libmount would
    read any. Raises ValueError for what a field can't carry: nothing, a NUL, `#` at its begin.
    """
    if not value or "\0" in value or value.startswith("#"):
        raise ValueError("a field of /etc/fstab must hold something, no NUL, and no '#' first; choose another value")
    return re.sub(r"[ \t\n\\]", lambda found: f"\\{ord(found[0]):03o}", value)


def option(name: str, value: str) -> str:
    """Return `NAME=value` for a list of mount options, before `field`. mount.cifs(8) has no escape for the comma."""
    if re.search(r'[,"\x00]', value):
        raise ValueError(
            f"the mount option {name} must hold no comma, no double quote and no NUL; choose another value"
        )
    return f"{name}={value}"


def cifs_line(mount: CifsMount) -> str:
    """Return the line, without a newline. Source of the options: mount.cifs(8), systemd.mount(5)."""
    source = f"//{bracketed(mount.server)}/{mount.share}"
    options = [
        option("credentials", mount.credentials_file),
        f"uid={mount.uid}",
        f"gid={mount.gid}",
        "file_mode=0640",
        "dir_mode=0750",
        "soft",
        "_netdev",
        "x-systemd.automount",
        "nofail",
        f"echo_interval={ECHO_SECONDS}",
    ]
    if mount.port is not None:
        options.append(f"port={mount.port}")
    if mount.read_only:
        options.append("ro")
    return f"{field(source)} {field(mount.mount_point)} cifs {field(','.join(options))} 0 0"


def cifs_block(mount: CifsMount) -> str:
    """Return the line below a comment that explains each option, for a managed block."""
    reasons = f"{_REASONS}\n# ro              nobody writes, the containers included" if mount.read_only else _REASONS
    return f"{reasons}\n{cifs_line(mount)}\n"


def unit_of(path: str, suffix: str) -> str:
    """Return the unit that systemd makes for a path, as `mnt-share.automount`.

    Source: systemd.unit(5), string escaping.
    """
    name = ""
    for position, byte in enumerate(path.strip("/").encode()):
        character = chr(byte)
        if character == "/":
            name += "-"
        elif character.isascii() and (character.isalnum() or character in ":_" or (character == "." and position)):
            name += character
        else:
            name += f"\\x{byte:02x}"
    return f"{name or '-'}.{suffix}"


def credentials(username: str, password: str, domain: str) -> str:
    """Return the text of a credentials file, as mount.cifs(8) and smbclient(1) read it.

    Raises ValueError for a value that would break the file's lines; the value itself is not in the message.
    """
    for key, value in (("username", username), ("password", password), ("domain", domain)):
        if any(character in value for character in "\n\r\x00"):
            raise ValueError(f"the share's {key} must be one line; set that secret again")
    return f"username={username}\npassword={password}\ndomain={domain}\n"

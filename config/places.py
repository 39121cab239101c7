"""Paths on a machine: what a path may look like, and which places there are ours to make, to close and to remove.

The rule follows the Filesystem Hierarchy Standard 3.0: what is of this machine alone, and of no package, lies below
/srv, /opt, /mnt, /media, /home, /var/lib, /var/opt, /var/local and /var/backups, or in a folder that its owner has made
at the root. Everything else is the system's. Nothing is ever such a folder itself: it lies in one of its own, there.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from config.accounts import words
from config.texts import UNSEEN

SYSTEM_ROOTS = words(
    "bin boot dev efi etc init lib lib32 lib64 libexec libx32 lost+found nix ostree proc root run sbin selinux snap "
    "sys sysroot tmp usr var"
)
"""What lies at the root and is the system's."""
LOCAL = tuple(PurePosixPath(path) for path in ("/var/lib", "/var/opt", "/var/local", "/var/backups"))
"""Where, within the system's /var, a machine's own data may lie."""
PACKAGES = words(
    "AccountsService NetworkManager PackageKit alsa apparmor apt aptitude bluetooth boltd chrony cloud "
    "command-not-found "
    "containerd containers dbus debconf dhcp dhcpcd docker dpkg emacsen-common etcd ex flatpak fwupd gdm3 git grub "
    "incus initramfs-tools ispell kubelet libvirt logrotate lxc lxcfs lxd machines man-db misc mlocate mysql nfs ntp "
    "os-prober "
    "pam plymouth podman polkit-1 portables postgresql private python rancher redis rpm rpcbind samba saml selinux "
    "sgml-base shells.state snapd snmp sss sudo swcatalog systemd tpm ubuntu-advantage ucf udisks2 ufw update-manager "
    "update-notifier upower usb_modeswitch usbutils vim wtmpdb xfonts xkb xml-core yum dnf"
)
"""Folders of /var/lib that are packages' own."""
OWN = words("hearth hearth-maubot")
"""Folders of /var/lib in which Hearth itself writes down what was there before it, and what it has still to do."""
LONGEST = 4095
"""limits.h: PATH_MAX without its NUL; a name in it has at most 255 bytes."""
_BAD = re.compile(rf"[{UNSEEN}\\]")
LONGEST_UNIT = 255
"""Bytes of a unit's name: unit-name.h, UNIT_NAME_MAX without its NUL."""


def _written(value: Any) -> Any:
    """Refused as it is written: a path object has lost some of it."""
    if not isinstance(value, str):
        return value
    if not value.startswith("/") or value.startswith("//"):
        raise ValueError("must be an absolute path on the machine; write it from the root, as /srv/share")
    if ".." in value.split("/") or _BAD.search(value):
        raise ValueError(
            "must be a path on one line without '..', backslashes, control or unseen characters; write out where it "
            "leads"
        )
    if len(value.encode()) > LONGEST or any(len(part.encode()) > 255 for part in value.split("/")):
        raise ValueError("must have at most 4095 bytes, and 255 between two '/'; choose a shorter path")
    if any(part != part.strip() for part in value.split("/")):
        raise ValueError("must have no blank before or after a '/'; choose another path")
    return value


_WRITTEN = BeforeValidator(_written)
_TEXT = PlainSerializer(str, return_type=str)
_SCHEMA = WithJsonSchema({"type": "string", "pattern": "^/"})


def system_place(path: PurePosixPath) -> str:
    """Return why a path is not ours to make or change, as the end of `..., and this is ...`.

    Empty where it may be ours.
    """
    parts = path.parts
    if len(parts) < 3:
        return "the root of the system" if len(parts) < 2 else "a folder at the root"
    if parts[1] not in SYSTEM_ROOTS:
        return ""
    for place in LOCAL:
        if path == place:
            return "a folder of the system's"
        if path.is_relative_to(place):
            name = path.relative_to(place).parts[0]
            if place == LOCAL[0] and name in OWN:
                return "Hearth's own"
            taken = place == LOCAL[0] and (name in PACKAGES or name.startswith(("systemd", "polkit", "apt", "dpkg")))
            return "a package's own" if taken else ""
    return "a place of the system's"


def someones_home(path: PurePosixPath) -> str:
    """Return the user in whose home below /home a path is, or whose home it is; empty for other places."""
    return path.parts[2] if path.parts[:2] == ("/", "home") and len(path.parts) > 2 else ""


def _own_place(value: PurePosixPath) -> PurePosixPath:
    if reason := system_place(value):
        raise ValueError(
            f"must be a place of its own, and this is {reason}; choose one below /srv, /mnt, /opt or /var/lib, "
            "as /srv/hearth"
        )
    return value


def _own_tree(value: PurePosixPath) -> PurePosixPath:
    """Return a place of its own that may lie within a home, in a folder that nothing reads as its settings."""
    if someones_home(value) and (len(value.parts) < 4 or any(part.startswith(".") for part in value.parts[3:])):
        raise ValueError(
            "must be a place of its own, and this is a user's home; choose a folder of its own, as /srv/dumps"
        )
    return _own_place(value)


def _outside_homes(value: PurePosixPath) -> PurePosixPath:
    if someones_home(value):
        raise ValueError("must not lie in a user's home, which is that user's; choose a place as /mnt/share")
    return _own_place(value)


def _no_separators(value: PurePosixPath) -> PurePosixPath:
    """Refuse `,`, which ends an option of a mount, and `:`, a field of a volume: neither can be escaped there."""
    if found := [mark for mark in ",:" if mark in str(value)]:
        raise ValueError(f"must hold no '{found[0]}', which ends a value where this is written; choose another path")
    return value


def _names_a_unit(value: PurePosixPath) -> PurePosixPath:
    """Refuse a mount point whose unit could not have its name: all but ASCII letters and digits takes four bytes."""
    size = sum(1 if re.fullmatch(rb"[A-Za-z0-9:_./]", bytes([each])) else 4 for each in str(value).encode())
    if size + len(".automount") > LONGEST_UNIT:
        raise ValueError(
            "must be shorter, as systemd names a unit by it and writes other characters than ASCII letters and digits "
            f"as four ({LONGEST_UNIT} in all); choose a shorter path"
        )
    return value


def _plain(value: PurePosixPath) -> PurePosixPath:
    if not re.fullmatch(r"[A-Za-z0-9_./@+-]+", str(value)):
        raise ValueError(
            "must hold letters, digits, '_', '.', '-', '@' and '+' alone, being an account's home; choose such a path"
        )
    return value


CREDENTIALS_FOLDERS = frozenset(
    {"samba", "cifs", "smb", "credentials", "smbcredentials", "cifs-utils", "hearth", "secondbrain"}
)
"""Folders of /etc where credentials of shares lie, and nothing that a program reads as its settings by itself."""
_SAMBA_OWN = ("smb.conf", "lmhosts", "dhcp.conf", "gdbcommands", "smbpasswd", "smbusers", "tls", "private")


def _in_a_folder_of_its_own(value: PurePosixPath, *, in_etc: bool, example: str) -> PurePosixPath:
    """Return a file's path. `in_etc`: whether its folder is one of /etc in which it does no harm."""
    if in_etc:
        return value
    if len(value.parts) < 4 or someones_home(value) or system_place(value.parent):
        raise ValueError(
            f"must be a file in a folder of its own that is nobody's home and not the system's; choose one as {example}"
        )
    return value


def _credentials_file(value: PurePosixPath) -> PurePosixPath:
    parts = value.parts
    known = len(parts) == 4 and parts[1] == "etc" and parts[2] in CREDENTIALS_FOLDERS
    in_etc = known and parts[3] not in _SAMBA_OWN and not parts[3].endswith(".conf")
    return _in_a_folder_of_its_own(value, in_etc=in_etc, example="/etc/samba/credentials.secondbrain")


ETC_OF_PACKAGES = words(
    "alternatives apparmor apparmor.d apt bash_completion.d bind binfmt.d bluetooth ca-certificates cloud conf.d "
    "containerd containers cron.d cron.daily cron.hourly cron.monthly cron.weekly cron.yearly dbus-1 default depmod.d "
    "dhcp docker dpkg environment.d exim4 fonts fstab.d grub.d gss ifupdown init.d initramfs-tools insserv.conf.d "
    "iproute2 iptables kernel kubernetes ld.so.conf.d ldap libvirt logcheck logrotate.d lvm lxc lxd modprobe.d "
    "modules-load.d monit mysql netplan network NetworkManager nftables nginx nix nixos opt pam.d pki podman polkit-1 "
    "postfix postgresql ppp profile.d python3 rc0.d rc1.d rc2.d rc3.d rc4.d rc5.d rc6.d rcS.d resolvconf rsyslog.d "
    "samba security selinux sensors.d skel snmp ssh ssl subuid subgid sudoers.d sysctl.d systemd terminfo tmpfiles.d "
    "udev udisks2 ufw update-motd.d usb_modeswitch.d vim wpa_supplicant X11 xdg zfs"
)
"""Folders of /etc in which a program reads files by itself."""


def _shared_file(value: PurePosixPath) -> PurePosixPath:
    parts = value.parts
    in_etc = len(parts) == 4 and parts[1] == "etc" and parts[2] not in ETC_OF_PACKAGES
    return _in_a_folder_of_its_own(value, in_etc=in_etc, example="/etc/hearth/env")


_SSH_OWN = words("authorized_keys authorized_keys2 config environment known_hosts known_hosts.old rc")
"""Files of ~/.ssh that sshd(8) and ssh(1) read by these names."""


def _ssh_key(value: PurePosixPath) -> PurePosixPath:
    """Return where a key is made: in the .ssh of a home, or in a folder of its own."""
    of_ssh = value.name in _SSH_OWN or value.suffix == ".pub"
    homes = ("/root", f"/home/{someones_home(value)}" if someones_home(value) else "/root")
    if not of_ssh and str(value.parent) in {f"{home}/.ssh" for home in homes}:
        return value
    if of_ssh or len(value.parts) < 4 or someones_home(value) or system_place(value.parent):
        raise ValueError(
            "must be a key's file of its own, in the .ssh of a home or in a folder that is not the system's; choose "
            "one as /home/ann/.ssh/id_ed25519_hearth"
        )
    return value


def _link(value: PurePosixPath) -> PurePosixPath:
    parts = value.parts
    at_home = (parts[:2] == ("/", "root") and len(parts) == 3) or (someones_home(value) != "" and len(parts) == 4)
    if at_home and parts[-1].startswith((".env", "env")):
        return value
    return _shared_file(value)


def _a_file(value: PurePosixPath) -> PurePosixPath:
    if len(value.parts) < 2 or value.parts[1] in ("dev", "proc", "sys"):
        raise ValueError("must be a file, and this is the kernel's; name the file")
    return value


def _readable(value: PurePosixPath) -> PurePosixPath:
    return _no_separators(_a_file(value))


def _flake(value: PurePosixPath) -> PurePosixPath:
    if value != PurePosixPath("/etc/nixos") and system_place(value):
        raise ValueError(
            "must be the folder of the machine's flake, which is /etc/nixos or a place of its own; name it"
        )
    return value


def inside(path: PurePosixPath, folder: PurePosixPath) -> bool:
    """Return whether a path is a folder, or lies below it."""
    return path.is_relative_to(folder)


MachinePath = Annotated[PurePosixPath, _WRITTEN, _TEXT, _SCHEMA]
"""An absolute path on a machine."""
OwnHome = Annotated[PurePosixPath, _WRITTEN, AfterValidator(_plain), AfterValidator(_own_place), _TEXT, _SCHEMA]
"""Where the home of an account of ours is: made, closed and, with `data: remove`, removed."""
OwnFolder = Annotated[PurePosixPath, _WRITTEN, AfterValidator(_own_tree), _TEXT, _SCHEMA]
"""A folder that is made, closed and, with `data: remove`, removed."""
MountPlace = Annotated[
    PurePosixPath,
    _WRITTEN,
    AfterValidator(_no_separators),
    AfterValidator(_outside_homes),
    AfterValidator(_names_a_unit),
    _TEXT,
    _SCHEMA,
]
"""Where a file system is mounted over what is there."""
CredentialsFile = Annotated[
    PurePosixPath, _WRITTEN, AfterValidator(_no_separators), AfterValidator(_credentials_file), _TEXT, _SCHEMA
]
"""A file of root's with a user and a password."""
ReadableFile = Annotated[PurePosixPath, _WRITTEN, AfterValidator(_readable), _TEXT, _SCHEMA]
"""A file that is only read, and whose path is a field of a container's volume."""
PlainFile = Annotated[PurePosixPath, _WRITTEN, AfterValidator(_a_file), _TEXT, _SCHEMA]
"""A file that is only read."""
SharedFile = Annotated[PurePosixPath, _WRITTEN, AfterValidator(_shared_file), _TEXT, _SCHEMA]
"""A file for those who work on the machine, in a folder that nothing reads as its settings by itself."""
LinkPlace = Annotated[PurePosixPath, _WRITTEN, AfterValidator(_link), _TEXT, _SCHEMA]
"""Where a link to such a file is: another of them, or `.env` in somebody's home."""
SshKeyFile = Annotated[PurePosixPath, _WRITTEN, AfterValidator(_ssh_key), _TEXT, _SCHEMA]
"""Where a key for SSH is made, and its public part beside it."""
FlakeFolder = Annotated[PurePosixPath, _WRITTEN, AfterValidator(_flake), _TEXT, _SCHEMA]
"""A folder of NixOS' own configuration: its owner's, and put to by us."""

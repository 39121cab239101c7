"""What belongs to a file beside its bytes, mode and owner, and why one can't be changed: a part of the worker's text.

Extended attributes hold the access control list, capabilities and the label of SELinux (xattr(7), acl(5)). Flags are
those of chattr(1), ioctl_iflags(2). Mounts are read from proc_pid_mountinfo(5).
"""

import errno
import fcntl
import os
import struct

GET_FLAGS, SET_FLAGS = 0x80086601, 0x40086602
IMMUTABLE, APPEND_ONLY = 0x10, 0x20
CARRIED = 0x8 | 0x40 | 0x80 | 0x4000 | 0x800000
"""Flags that a new file gets from the one in whose place it comes: S, d, A, j and C of chattr(1)."""
OF_THE_BYTES = ("security.ima", "security.evm")
"""Attributes that speak of the bytes themselves: of others they would be wrong."""
LIST = "system.posix_acl_access"
CAPABILITY = "security.capability"


def attributes_of(descriptor):
    """Return extended attributes by name; none where the file system has no such thing."""
    try:
        names = os.listxattr(descriptor)
        return {name: os.getxattr(descriptor, name) for name in names if name not in OF_THE_BYTES}
    except OSError:
        return {}


def give_attributes(descriptor, wished):
    """Make the extended attributes these and no others. OSError where the system does not let us."""
    found = attributes_of(descriptor)
    for name in set(found) - set(wished):
        if name != "security.selinux":  # every file has a label, and it is not removed
            os.removexattr(descriptor, name)
    for name, value in wished.items():
        if found.get(name) != value:
            os.setxattr(descriptor, name, value)


def flags_of(descriptor):
    """Return the flags of a file or folder; 0 where its file system has none."""
    try:
        return struct.unpack("l", fcntl.ioctl(descriptor, GET_FLAGS, struct.pack("l", 0)))[0]
    except OSError:
        return 0


def give_flags(descriptor, flags):
    """Set those of `flags` that go over to a new file. It must be empty yet: C can't be set later."""
    if flags & CARRIED:
        fcntl.ioctl(descriptor, SET_FLAGS, struct.pack("l", flags_of(descriptor) | (flags & CARRIED)))


def mounts():
    """Return (mount point, type of the file system, options of the mount and of it) of each, in their order."""
    found = []
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            left, _, right = line.decode("utf-8", "surrogateescape").rstrip("\n").partition(" - ")
            fields, behind = left.split(" "), right.split(" ")
            point = fields[4]
            for code in ("\\040", "\\011", "\\012", "\\134"):
                point = point.replace(code, chr(int(code[1:], 8)))
            found.append((point, behind[0], set(fields[5].split(",") + behind[2].split(","))))
    return found


def mount_of(path):
    """Return the mount that `path` is on: (mount point, type, options)."""
    real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    best = ("/", "", set())
    for each in mounts():
        point = each[0]
        if (real == point or real.startswith(point.rstrip("/") + "/")) and len(point) >= len(best[0]):
            best = each
    return best


def flagged(path):
    """Return what an immutable or append-only flag is on, of a path and its folder, with the letter of that flag."""
    for each in (path, os.path.dirname(path) or "/"):
        try:
            descriptor = os.open(each, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            flags = flags_of(descriptor)
        finally:
            os.close(descriptor)
        for flag, letter in ((IMMUTABLE, "i"), (APPEND_ONLY, "a")):
            if flags & flag:
                return each, letter
    return None


def why_not(number, path):
    """Return why an operation on `path` failed with that error number, and what to do; empty where it says enough."""
    if number == errno.EPERM:
        found = flagged(path)
        if found:
            word = "immutable" if found[1] == "i" else "append-only"
            return "%s has the %s flag (chattr +%s)" % (found[0], word, found[1]), (
                "see who set it, and take it away: chattr -%s %s" % (found[1], found[0])
            )
        point, kind, _ = mount_of(path)
        return "the file system at %s (%s) does not allow it" % (point, kind), (
            "see what that file system keeps (owners and modes are none of vfat's or a share's), or choose another path"
        )
    if number in (errno.EBUSY, errno.EXDEV) and any(point == path for point, _, _ in mounts()):
        return "%s is a mount of its own, as /etc/hosts in a container, and nothing can take its place" % path, (
            "set in_place on the resource: then the text goes into the file that is there"
        )
    if number == errno.EROFS:
        point, kind, _ = mount_of(path)
        return "the file system at %s (%s) is mounted read-only" % (point, kind), (
            "if it is to be so, choose a path elsewhere; else see dmesg for the reason, and: mount -o remount,rw %s"
            % point
        )
    return "", ""

"""What the worker writes: a part of the text that the worker is sent in.

A file is replaced by a new one and a rename, so that nobody reads half of one. What a rename would lose goes over to
the new file: access control list, capabilities, label, flags. Where a file has other names (hard links), or somebody
asks for it, the bytes go into the file that is there. All is on the disk before an answer is given: what follows relies
on it, also after a power cut.
"""

import base64
import os
import stat as stat_

from providers.machine.worker_files import (
    Refused,
    ids,
    open_parent,
)
from providers.machine.worker_metadata import (
    CAPABILITY,
    attributes_of,
    flags_of,
    give_attributes,
    give_flags,
)
from providers.machine.worker_turns import (
    beside,
    claim,
    drop,
)

PUT_BACK = 64 * 1024 * 1024
"""Bytes of a file that are kept in memory at most while others are written over them."""


def write_all(descriptor, data):
    while data:
        data = data[os.write(descriptor, data) :]


def overwrite(descriptor, data):
    """Write a whole text over the one that is there; where that fails, as on a full disk, put that back."""
    old = b""
    while len(old) <= PUT_BACK:
        piece = os.read(descriptor, 1 << 20)
        if not piece:
            break
        old += piece
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        write_all(descriptor, data)
        os.ftruncate(descriptor, len(data))
    except OSError:
        if len(old) > PUT_BACK:
            raise
        os.ftruncate(descriptor, len(old))  # what came behind it is free again, and its own room it has still
        os.lseek(descriptor, 0, os.SEEK_SET)
        write_all(descriptor, old)
        raise


def dress(descriptor, path, mode, uid, gid, attributes):
    """Give a file its owner, attributes and mode, in this order: each loses something of those before it otherwise."""
    os.fchown(descriptor, uid, gid)
    try:
        give_attributes(descriptor, attributes)
    except OSError as error:
        raise Refused(
            "the extended attributes of %s (%s) can't be carried over to a new file: %s"
            % (path, ", ".join(sorted(attributes)), error.strerror),
            "set in_place on the resource: then the text goes into the file that is there, which keeps them",
        ) from None
    os.fchmod(descriptor, mode)


def may_hold_strangers_links(folder, old):
    """Return whether somebody other than the file's owner could have given it its name in this folder.

    They may have chosen a file that is not theirs, and would have us write into it.
    """
    where = os.fstat(folder)
    return where.st_uid not in (0, old.st_uid) or bool(where.st_mode & 0o022)


def date(descriptor, modified):
    """Say of bytes that come back when they were written; nothing where that is not known."""
    if modified is not None:
        os.utime(descriptor, ns=(os.fstat(descriptor).st_atime_ns, modified))


def write_into(folder, name, path, data, old, mode, uid, gid, attributes, modified=None):
    """Put the bytes into the file that is there. Not in one moment: who reads the while sees a part of it."""
    if old.st_nlink > 1 and may_hold_strangers_links(folder, old):
        raise Refused(
            "%s is one of %d names of a file (hard links), and others than its owner may have made them"
            % (path, old.st_nlink),
            "see which they are (find / -xdev -samefile %s), and remove the one that does not belong there" % path,
        )
    descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        now = os.fstat(descriptor)
        if (now.st_dev, now.st_ino) != (old.st_dev, old.st_ino):
            raise Refused("%s was replaced by somebody the while" % path, "run up again")
        carried = attributes_of(descriptor) if attributes is None else attributes
        overwrite(descriptor, data)
        # Writing takes capabilities and the set-user-id bit away.
        dress(descriptor, path, mode, uid, gid, carried)
        date(descriptor, modified)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def what_goes_over(folder, name, old):
    """Return extended attributes and flags of the file whose place a new one takes."""
    if old is None:
        return None, 0
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        return attributes_of(descriptor), flags_of(descriptor)
    finally:
        os.close(descriptor)


def stage(folder, name, path, data, old, mode, uid, gid, attributes):
    """Make a new file beside `name` that may take its place, dressed as that is to be: its name, and it opened.

    What is in it is not on the disk yet.
    """
    carried, flags = what_goes_over(folder, name, old)
    attributes = carried if attributes is None else attributes
    temporary, descriptor = claim(folder, name)
    try:
        give_flags(descriptor, flags)
        write_all(descriptor, data)
        # A new file has what its folder gives to new ones (a default access control list): so it stays.
        dress(descriptor, path, mode, uid, gid, attributes_of(descriptor) if attributes is None else attributes)
    except BaseException:
        drop(folder, temporary)
        os.close(descriptor)
        raise
    return temporary, descriptor


def replace(folder, name, path, data, old, mode, uid, gid, attributes, modified=None):
    temporary, descriptor = stage(folder, name, path, data, old, mode, uid, gid, attributes)
    try:
        date(descriptor, modified)
        os.fsync(descriptor)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        drop(folder, temporary)
        raise
    finally:
        os.close(descriptor)  # and with that the turn is another's
    os.fsync(folder)


def op_write(path, content, mode=None, owner=None, group=None, attributes=None, modified=None, in_place=False):
    """Write a file whole.

    `attributes` (name -> base64) are the extended attributes that it is to have; without them those of the file that is
    there stay, as mode and owner do. `modified` (nanoseconds since 1970) is when the bytes were written, where they
    come back.
    """
    data = base64.b64decode(content)
    if attributes is not None:
        attributes = {name: base64.b64decode(value) for name, value in attributes.items()}
    uid, gid = ids(owner, group)
    folder, name = open_parent(path)
    try:
        try:
            old = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat_.S_ISDIR(old.st_mode):
                raise Refused("%s is a directory" % path)
        except FileNotFoundError:
            old = None
        if old is None or not stat_.S_ISREG(old.st_mode):
            old, was = None, (0o644, 0, 0)
        else:
            was = (stat_.S_IMODE(old.st_mode), old.st_uid, old.st_gid)
        wished = (
            was[0] if mode is None else int(mode, 8),
            was[1] if uid < 0 else uid,
            was[2] if gid < 0 else gid,
            attributes,
            modified,
        )
        write = replace if old is None or not (in_place or old.st_nlink > 1) else write_into
        write(folder, name, path, data, old, *wished)
    finally:
        os.close(folder)


def give(descriptor, mode, uid, gid):
    """Give what is open a mode and an owner; None and -1 leave as it is."""
    found = os.fstat(descriptor)
    if uid not in (-1, found.st_uid) or gid not in (-1, found.st_gid):
        capability = attributes_of(descriptor).get(CAPABILITY)
        os.fchown(descriptor, uid, gid)
        # A new owner takes both away.
        os.fchmod(descriptor, stat_.S_IMODE(found.st_mode))
        if capability is not None:
            os.setxattr(descriptor, CAPABILITY, capability)
    if mode not in (None, stat_.S_IMODE(os.fstat(descriptor).st_mode)):
        os.fchmod(descriptor, mode)


def op_set_attributes(path, mode=None, owner=None, group=None):
    uid, gid = ids(owner, group)
    folder, name = open_parent(path)
    try:
        # O_RDONLY on a pipe or device could hang or act; O_NONBLOCK makes it return
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        try:
            give(descriptor, None if mode is None else int(mode, 8), uid, gid)
        finally:
            os.close(descriptor)
    finally:
        os.close(folder)


def link_at(folder, name, target):
    """Make `name` a symbolic link, in place of a file or link that is there."""
    temporary = beside(folder, name)
    os.symlink(target, temporary, dir_fd=folder)
    try:
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        os.unlink(temporary, dir_fd=folder)
        raise
    os.fsync(folder)


def op_symlink(path, target):
    folder, name = open_parent(path)
    try:
        link_at(folder, name, target)
    finally:
        os.close(folder)


def op_make_directory(path, mode, owner, group):
    uid, gid = ids(owner, group)
    folder, name = open_parent(path)
    try:
        try:
            os.mkdir(name, 0o700, dir_fd=folder)
        except FileExistsError:
            if not stat_.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                raise Refused("%s is there and is no directory" % path) from None
            return
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
        try:
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, int(mode, 8))
        except OSError:  # as on a file system that keeps no owners
            os.rmdir(name, dir_fd=folder)
            raise
        finally:
            os.close(descriptor)
        os.fsync(folder)
    finally:
        os.close(folder)

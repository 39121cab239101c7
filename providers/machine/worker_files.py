"""What the worker looks at and takes away: the first part of the text that the worker is sent in.

No link that an ordinary user could have planted is followed: root writes into folders that such users own. Names are
bytes to the system and may be no UTF-8; Python's own form of them (surrogateescape) goes through JSON and back.
"""

import base64
import errno
import grp
import os
import pwd
import stat as stat_

from providers.machine.worker_metadata import (
    attributes_of,
)

LIMIT = 4 * 1024 * 1024
"""Bytes of a file that are read at most, unless it is said: more has no place in a Pulumi state."""


class Refused(Exception):
    """A request that is not carried out, and that has changed nothing; the text says why, `remedy` what to do."""

    def __init__(self, text, remedy=""):
        Exception.__init__(self, text)
        self.remedy = remedy


def open_parent(path):
    """Open the directory that `path` lies in, component by component, and return (descriptor, last name).

    Root writes into folders that ordinary users own, so a link is followed only where root made it.
    """
    parts = [part for part in path.split("/") if part]
    if not parts:
        return os.open("/", os.O_RDONLY | os.O_DIRECTORY), "."
    todo, links = parts[:-1], 0
    trail = [os.open("/", os.O_RDONLY | os.O_DIRECTORY)]
    try:
        while todo:
            part = todo.pop(0)
            if part in (".", ""):
                continue
            if part == "..":
                if len(trail) > 1:
                    os.close(trail.pop())
                continue
            try:
                found = os.stat(part, dir_fd=trail[-1], follow_symlinks=False)
            except FileNotFoundError:
                raise FileNotFoundError(errno.ENOENT, "the folder %r is missing" % part, path) from None
            if stat_.S_ISLNK(found.st_mode):
                links += 1
                if found.st_uid != 0 or links > 40:
                    raise Refused("%s: %r is a link that root did not make, so it is not followed" % (path, part))
                target = os.readlink(part, dir_fd=trail[-1])
                if target.startswith("/"):
                    while len(trail) > 1:
                        os.close(trail.pop())
                todo = [piece for piece in target.split("/") if piece] + todo
                continue
            trail.append(os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=trail[-1]))
        return os.dup(trail[-1]), parts[-1]
    finally:
        for descriptor in trail:
            os.close(descriptor)


def ids(owner, group):
    """Numbers of a user and a group given by name (or number); -1 leaves as it is."""
    uid = gid = -1
    if owner is not None:
        try:
            uid = int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid
        except KeyError:
            raise Refused("the user %r does not exist: make it with a User first" % owner) from None
    if group is not None:
        try:
            gid = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
        except KeyError:
            raise Refused("the group %r does not exist: make it first" % group) from None
    return uid, gid


def name_of(lookup, number, wished=None):
    """Return the name of an account or a group, or its number where it has none.

    Where `wished` is that very one, by another name or by its number, it is called so.
    """
    try:
        name = lookup(number)[0]
        name.encode()
    except (KeyError, UnicodeEncodeError):
        name = str(number)
    if wished is None or wished == name:
        return name
    if wished.isdigit():
        return wished if int(wished) == number else name
    by_name = pwd.getpwnam if lookup is pwd.getpwuid else grp.getgrnam
    try:
        return wished if by_name(wished)[2] == number else name
    except KeyError:
        return name


def look_into(descriptor, size, result, limit):
    """Add the bytes and the extended attributes of a file; or why its bytes can't be had."""
    if size > limit:
        result["unreadable"] = "%d bytes, and at most %d are kept" % (size, limit)
        return
    try:
        data = b""
        while len(data) <= limit:
            # By pieces: of a setting of the kernel's (/proc/sys) no more is given out at once.
            piece = os.read(descriptor, min(1 << 16, limit + 1 - len(data)))
            if not piece:
                break
            data += piece
    except OSError as error:
        result["unreadable"] = error.strerror
        return
    if len(data) > limit:  # as of what the kernel makes up, and says has no size
        result["unreadable"] = "more than %d bytes, and at most so many are kept" % limit
        return
    result["content"] = base64.b64encode(data).decode()
    attributes = attributes_of(descriptor)
    if attributes:
        result["attributes"] = {name: base64.b64encode(value).decode() for name, value in attributes.items()}


def op_stat(path, content=False, entries=False, owner=None, group=None, limit=None):
    """Return what is there, and by which names; `owner` and `group` are what it is wished to belong to."""
    try:
        folder, name = open_parent(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        kinds = ((stat_.S_ISREG, "file"), (stat_.S_ISDIR, "directory"), (stat_.S_ISLNK, "symlink"))
        kind = next((word for test, word in kinds if test(found.st_mode)), "other")
        result = {
            "type": kind,
            "mode": "%04o" % stat_.S_IMODE(found.st_mode),
            "owner": name_of(pwd.getpwuid, found.st_uid, owner),
            "group": name_of(grp.getgrgid, found.st_gid, group),
            "size": found.st_size,
        }
        if kind == "file":
            result["modified"] = found.st_mtime_ns
        if content and kind == "file":
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            try:
                look_into(descriptor, found.st_size, result, limit or LIMIT)
            finally:
                os.close(descriptor)
        elif content and kind == "symlink":
            target = os.fsencode(os.readlink(name, dir_fd=folder))
            result["content"] = base64.b64encode(target).decode()
        if entries and kind == "directory":
            descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            try:
                result["entries"] = sorted(os.listdir(descriptor))
            finally:
                os.close(descriptor)
        return result
    finally:
        os.close(folder)


def remove_tree(folder, name):
    """Remove a directory with all it holds, links never followed, other file systems left alone.

    What can't be removed stays, in its folders; all else goes, and the error names the first that stays.
    """
    stays = None
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        if os.fstat(descriptor).st_dev != os.fstat(folder).st_dev:
            raise Refused("%r is a mount point: what is mounted there is not removed" % name)
        for entry in os.listdir(descriptor):
            try:
                found = os.stat(entry, dir_fd=descriptor, follow_symlinks=False)
                if stat_.S_ISDIR(found.st_mode):
                    remove_tree(descriptor, entry)
                else:
                    os.unlink(entry, dir_fd=descriptor)
            except FileNotFoundError:
                pass  # somebody else has removed it
            except Refused as error:
                stays = stays or OSError(errno.EBUSY, str(error))
            except OSError as error:
                what = error.strerror if error.filename is None else "%r: %s" % (entry, error.strerror)
                stays = stays or OSError(error.errno, what)
    finally:
        os.close(descriptor)
    if stays is not None:
        raise stays
    os.rmdir(name, dir_fd=folder)


def op_remove(path, recursive=False):
    try:
        folder, name = open_parent(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return
        if not stat_.S_ISDIR(found.st_mode):
            os.unlink(name, dir_fd=folder)
        elif recursive:
            remove_tree(folder, name)
        else:
            os.rmdir(name, dir_fd=folder)
    finally:
        os.close(folder)

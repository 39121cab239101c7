"""What the worker does with files: the first half of the text that `agent` is sent in.

No link that an ordinary user could have planted is followed: root writes into folders that such users own.
"""

import base64
import errno
import grp
import hashlib
import os
import pwd
import stat as stat_

LIMIT = 4 * 1024 * 1024
"""Bytes of a file that are read at most: more has no place in a Pulumi state."""


class Refused(Exception):
    """A request that is not carried out; the text says why."""


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


def name_of(lookup, number):
    try:
        return lookup(number)[0]
    except KeyError:
        return str(number)


def op_stat(path, content=False, entries=False):
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
            "owner": name_of(pwd.getpwuid, found.st_uid),
            "group": name_of(grp.getgrgid, found.st_gid),
            "size": found.st_size,
        }
        if content and kind == "file":
            if found.st_size > LIMIT:
                raise Refused("%s has %d bytes; at most %d can be managed" % (path, found.st_size, LIMIT))
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            with os.fdopen(descriptor, "rb") as file:
                result["content"] = base64.b64encode(file.read(LIMIT + 1)).decode()
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


def beside(folder, name):
    """The name of the new file that is to take the place of `name`. It is always the same, so that what a machine that
    lost its power left of an earlier one goes away."""
    temporary = ".hearth-" + hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    try:
        os.unlink(temporary, dir_fd=folder)
    except FileNotFoundError:
        pass
    return temporary


def op_write(path, content, mode=None, owner=None, group=None):
    data = base64.b64decode(content)
    uid, gid = ids(owner, group)
    folder, name = open_parent(path)
    temporary = beside(folder, name)
    try:
        try:
            old = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat_.S_ISDIR(old.st_mode):
                raise Refused("%s is a directory" % path)
        except FileNotFoundError:
            old = None
        if old is None or not stat_.S_ISREG(old.st_mode):
            want, was_uid, was_gid = 0o644, 0, 0
        else:
            want, was_uid, was_gid = stat_.S_IMODE(old.st_mode), old.st_uid, old.st_gid
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fchown(file.fileno(), was_uid if uid < 0 else uid, was_gid if gid < 0 else gid)
                os.fchmod(file.fileno(), want if mode is None else int(mode, 8))
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            try:
                os.unlink(temporary, dir_fd=folder)
            except FileNotFoundError:
                pass
            raise
    finally:
        os.close(folder)


def op_set_attributes(path, mode=None, owner=None, group=None):
    uid, gid = ids(owner, group)
    folder, name = open_parent(path)
    try:
        # O_RDONLY on a pipe or device could hang or act; O_NONBLOCK makes it return
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        try:
            if (uid, gid) != (-1, -1):
                os.fchown(descriptor, uid, gid)
            if mode is not None:
                os.fchmod(descriptor, int(mode, 8))
        finally:
            os.close(descriptor)
    finally:
        os.close(folder)


def op_symlink(path, target):
    folder, name = open_parent(path)
    temporary = beside(folder, name)
    try:
        os.symlink(target, temporary, dir_fd=folder)
        try:
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            os.unlink(temporary, dir_fd=folder)
            raise
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
        finally:
            os.close(descriptor)
    finally:
        os.close(folder)


def remove_tree(folder, name):
    """Remove a directory with all it holds, links never followed, other file systems left alone."""
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        if os.fstat(descriptor).st_dev != os.fstat(folder).st_dev:
            raise Refused("%r is a mount point: what is mounted there is not removed" % name)
        for entry in os.listdir(descriptor):
            found = os.stat(entry, dir_fd=descriptor, follow_symlinks=False)
            if stat_.S_ISDIR(found.st_mode):
                remove_tree(descriptor, entry)
            else:
                os.unlink(entry, dir_fd=descriptor)
    finally:
        os.close(descriptor)
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

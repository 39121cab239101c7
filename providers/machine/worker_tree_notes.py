"""What a Tree keeps on the machine: what was there before each of its files. Sent only to workers that need it.

In a folder for each Tree are `notes.json` and what was saved. A path is noted, and what was there is safe on the disk,
before anything is changed there. Where it can be, the very file is kept, by another name of it (link(2)): no byte is
copied, and nothing of its metadata can get lost. What was in the way is moved, and comes back.
"""

import errno
import hashlib
import json
import os
import re
import stat as stat_
import subprocess

from providers.machine.worker_files import (
    Refused,
    open_parent,
    remove_tree,
)
from providers.machine.worker_metadata import (
    attributes_of,
    flags_of,
    give_flags,
    why_not,
)
from providers.machine.worker_turns import (
    beside,
    drop,
)
from providers.machine.worker_write import (
    dress,
    give,
    write_all,
    write_into,
)

OWN = "/var/lib/hearth"
TREES = OWN + "/trees"
PIECE = 1024 * 1024  # bytes
TEMPORARY = re.compile(r"\.hearth-[0-9a-f]{16}")


def failed(path, error):
    """Make an error of the system at one path of a tree, with its reason where that is known."""
    reason, remedy = why_not(error.errno, path)
    return Refused("%s: %s" % (path, reason or error.strerror or error), remedy)


def sync(descriptor):
    """Have names in a folder on the disk."""
    os.fsync(descriptor)


def make_folder(path):
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    parent = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    sync(parent)
    os.close(parent)


class Notes:
    """The notes of one Tree.

    `files`: path -> what was there before (None: nothing), that of a folder with a slash at its end; `aside`: [path,
    name in here] of what was moved out of the way.
    """

    def __init__(self, key):
        self.folder = os.path.join(TREES, key)
        self.where = os.path.join(self.folder, "notes.json")
        self.path, self.files, self.aside = "", {}, []
        self.there = False
        try:
            with open(self.where) as file:
                found = json.load(file)
            self.path, self.files, self.aside = found["path"], found["files"], found["aside"]
            self.there = True
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(
                "%s, where was written what was there before, can't be read: %s" % (self.where, error),
                "see what is in that folder, and remove it by hand",
            )

    def write(self):
        make_folder(OWN)
        make_folder(TREES)
        make_folder(self.folder)
        content = {"path": self.path, "files": self.files, "aside": self.aside}
        temporary = self.where + ".new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            write_all(descriptor, json.dumps(content).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, self.where)
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        sync(descriptor)
        os.close(descriptor)
        self.there = True

    def remove(self):
        for name in os.listdir(self.folder) if os.path.isdir(self.folder) else ():
            os.unlink(os.path.join(self.folder, name))
        for folder in (self.folder, TREES, OWN):
            try:
                os.rmdir(folder)
            except OSError:
                return

    def open(self):
        make_folder(OWN)
        make_folder(TREES)
        make_folder(self.folder)
        return os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)


def saved_name(path):
    return "saved-" + hashlib.sha256(os.fsencode(path)).hexdigest()[:32]


def digest_of(folder, name):
    """Return the digest of the file at `name`."""
    digest = hashlib.sha256()
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        while True:
            piece = os.read(descriptor, PIECE)
            if not piece:
                return digest.hexdigest()
            digest.update(piece)
    finally:
        os.close(descriptor)


def noted(found, managed):
    """Return what is noted of a file that is there, before its bytes are touched."""
    return {
        "type": "file",
        "mode": stat_.S_IMODE(found.st_mode),
        "uid": found.st_uid,
        "gid": found.st_gid,
        "managed": sorted(managed),
    }


def copy(source, folder, name, path, mode, uid, gid):
    """Put the bytes and metadata of the open file `source` at `name`, by a new file and a rename."""
    found = os.fstat(source)
    temporary = beside(folder, name)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    try:
        try:
            try:
                give_flags(descriptor, flags_of(source))
            except OSError:  # another file system may not have them
                pass
            while True:
                piece = os.read(source, PIECE)
                if not piece:
                    break
                write_all(descriptor, piece)
            dress(descriptor, path, mode, uid, gid, attributes_of(source))
            os.utime(descriptor, ns=(found.st_atime_ns, found.st_mtime_ns))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        drop(folder, temporary)
        raise
    sync(folder)


def save(notes_folder, folder, name, path, was):
    """Keep the file at `name` for later; `was` is what is noted of it. Not if it is kept already."""
    if was.get("saved"):
        return
    where = saved_name(path)
    drop(notes_folder, where)
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        found = os.fstat(source)
        linked = False
        if found.st_nlink == 1:
            try:
                os.link(name, where, src_dir_fd=folder, dst_dir_fd=notes_folder, follow_symlinks=False)
                linked = True
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
                    raise
        if not linked:
            copy(source, notes_folder, where, path, 0o600, found.st_uid, found.st_gid)
    finally:
        os.close(source)
    was["saved"] = where
    was["linked"] = linked


def is_saved(notes_folder, was, found):
    """Tell whether the file `found` has a second name only because it was kept so."""
    if not was or not was.get("linked"):
        return False
    try:
        kept = os.stat(was["saved"], dir_fd=notes_folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (kept.st_dev, kept.st_ino) == (found.st_dev, found.st_ino)


def bring_back(notes_folder, folder, name, path, was):
    """Put back the file that was kept. Nothing to do where that was done before."""
    try:
        source = os.open(was["saved"], os.O_RDONLY | os.O_NOFOLLOW, dir_fd=notes_folder)
    except FileNotFoundError:
        return
    try:
        try:
            now = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            now = None
        if not was["linked"] and now is not None and stat_.S_ISREG(now.st_mode) and now.st_nlink > 1:
            data = b"".join(iter(lambda: os.read(source, PIECE), b""))
            write_into(folder, name, path, data, now, was["mode"], was["uid"], was["gid"], attributes_of(source))
        else:
            try:
                os.rename(was["saved"], name, src_dir_fd=notes_folder, dst_dir_fd=folder)
                drop(notes_folder, was["saved"])  # two names of one file are both left by a rename
                give(source, was["mode"], was["uid"], was["gid"])
                sync(folder)
                sync(notes_folder)
                return
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
            copy(source, folder, name, path, was["mode"], was["uid"], was["gid"])
    finally:
        os.close(source)
    os.unlink(was["saved"], dir_fd=notes_folder)


def move(source_folder, source, folder, name):
    """Move a thing with all in it and of it, also to another file system."""
    try:
        os.rename(source, name, src_dir_fd=source_folder, dst_dir_fd=folder)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        here, there = "/proc/self/fd/%d/" % source_folder, "/proc/self/fd/%d/" % folder
        command = ["cp", "-a", "-x", "--", here + source, there + name]
        done = subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=(source_folder, folder)
        )
        if done.returncode != 0:
            raise Refused(
                "%r can't be moved out of the way: %s" % (source, done.stderr.decode("utf-8", "replace")[-500:]),
                "move it away by hand, or name it in exclude",
            )
        os.sync()
        if stat_.S_ISDIR(os.stat(source, dir_fd=source_folder, follow_symlinks=False).st_mode):
            remove_tree(source_folder, source)
        else:
            os.unlink(source, dir_fd=source_folder)
    sync(folder)
    sync(source_folder)


def open_below(root, path):
    """Open the folder that `path` lies in below `root`; it and the last name. No link is followed there."""
    parts = path.rstrip("/").split("/")
    folder = os.dup(root)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
    except BaseException:
        os.close(folder)
        raise
    return folder, parts[-1]


def open_root(path):
    """Open the folder of a tree; None where there is none."""
    try:
        folder, name = open_parent(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise
    finally:
        os.close(folder)

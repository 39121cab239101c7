"""How the worker writes the files of a Tree whose bytes came from elsewhere.

Many files become durable together: all are written, all are brought to the disk, and then all take their places.
"""

import base64
import os
import stat as stat_

from providers.machine.worker_files import (
    Refused,
    ids,
)
from providers.machine.worker_metadata import (
    attributes_of,
)
from providers.machine.worker_tree import (
    find,
)
from providers.machine.worker_tree_begin import (
    holding,
)
from providers.machine.worker_tree_notes import (
    Notes,
    failed,
    is_saved,
    open_below,
    open_root,
)
from providers.machine.worker_turns import (
    beside,
    drop,
)
from providers.machine.worker_write import (
    dress,
    stage,
    what_goes_over,
    write_all,
    write_into,
)


def op_tree_piece(path, file, offset, content):
    """Write a piece of a file that is too large for one request; it waits beside the file."""
    root = open_root(path)
    folder, name = open_below(root, file)
    os.close(root)
    try:
        if offset == 0:
            temporary = beside(folder, name)
            flags = os.O_CREAT | os.O_EXCL
        else:
            temporary, flags = beside(folder, name, fresh=False), os.O_APPEND
        descriptor = os.open(temporary, os.O_WRONLY | os.O_NOFOLLOW | flags, 0o600, dir_fd=folder)
        try:
            if os.fstat(descriptor).st_size != offset:
                raise Refused("%s: its pieces do not follow each other" % file, "run up again")
            write_all(descriptor, base64.b64decode(content))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise failed(os.path.join(path, file), error)
    finally:
        os.close(folder)


def write_one(root, kept, notes, path, each):
    """Write one file beside its place: (folder, its name there, its place, it opened).

    None where the bytes went into the file that is there, because it has other names.
    """
    whole = os.path.join(path, each["path"])
    names = holding(notes, each["path"], each)
    folder, name = open_below(root, each["path"])
    try:
        old = find(root, each["path"])[0]
        if old is not None and not stat_.S_ISREG(old.st_mode):
            old = None
        uid, gid = ids(each["owner"], each["group"])
        mode = int(each["mode"], 8)
        if old is not None:
            mode = mode if "mode" in names else stat_.S_IMODE(old.st_mode)
            uid = uid if "owner" in names else old.st_uid
            gid = gid if "group" in names else old.st_gid
        data = base64.b64decode(each["content"]) if "content" in each else None
        saved = old is not None and is_saved(kept, notes.files.get(each["path"]), old)
        if old is not None and old.st_nlink > (2 if saved else 1):
            if data is None:
                raise Refused("%s has several names (hard links), and is too large for that" % whole, "remove them")
            write_into(folder, name, whole, data, old, mode, uid, gid, None)
            os.close(folder)
            return None
        if data is None:
            temporary, descriptor = staged(folder, name, whole, old, mode, uid, gid)
        else:
            temporary, descriptor = stage(folder, name, whole, data, old, mode, uid, gid, None)
        # The kernel begins to write at once, and the first of many to be waited for takes most of them along.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        return folder, temporary, name, descriptor
    except OSError as error:
        os.close(folder)
        raise failed(whole, error)
    except Refused:
        os.close(folder)
        raise


def staged(folder, name, path, old, mode, uid, gid):
    """Dress the file that came in pieces."""
    temporary = beside(folder, name, fresh=False)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        attributes = what_goes_over(folder, name, old)[0]
        dress(descriptor, path, mode, uid, gid, attributes_of(descriptor) if attributes is None else attributes)
    except BaseException:
        os.close(descriptor)
        raise
    return temporary, descriptor


def op_tree_put(path, key, files):
    """Write files: each with its `path`, what is wished of it, and its `content` unless that came in pieces."""
    notes = Notes(key)
    root = open_root(path)
    kept = os.open(notes.folder, os.O_RDONLY | os.O_DIRECTORY)
    waiting = []
    try:
        for each in files:
            written = write_one(root, kept, notes, path, each)
            if written is not None:
                waiting.append(written)
        for _, _, _, descriptor in waiting:
            os.fsync(descriptor)
        folders = {}
        while waiting:
            folder, temporary, name, descriptor = waiting[-1]
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            waiting.pop()
            os.close(descriptor)
            where = os.fstat(folder)
            if (where.st_dev, where.st_ino) in folders:
                os.close(folder)
            else:
                folders[where.st_dev, where.st_ino] = folder
        for folder in folders.values():
            os.fsync(folder)
            os.close(folder)
    finally:
        for folder, temporary, _, descriptor in waiting:
            os.close(descriptor)
            drop(folder, temporary)
            os.close(folder)
        os.close(kept)
        os.close(root)

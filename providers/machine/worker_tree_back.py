"""How a file of a Tree is put back as it was."""

import os
import stat as stat_

from providers.machine.worker_files import (
    open_parent,
)
from providers.machine.worker_tree_changes import (
    changed_since,
    stamps,
)
from providers.machine.worker_tree_notes import (
    Notes,
    bring_back,
    digest_of,
    failed,
    move,
    open_below,
    open_root,
)
from providers.machine.worker_write import (
    give,
    link_at,
    op_make_directory,
)


def stat_at(folder, name):
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def remade(root, path, each, warnings):
    """See that the folder that `each` lies in is there, where somebody has removed it; False where it can't be."""
    parts = each.rstrip("/").split("/")[:-1]
    for number in range(len(parts)):
        below = "/".join(parts[: number + 1])
        try:
            folder, name = open_below(root, below)
        except OSError:
            return False
        try:
            found = stat_at(folder, name)
            if found is None:
                op_make_directory(os.path.join(path, below), mode="0755", owner="root", group="root")
                warnings.append("%s was not there: it was made for what comes back" % os.path.join(path, below))
            elif not stat_.S_ISDIR(found.st_mode):
                return False
        finally:
            os.close(folder)
    return True


def put_back(root, notes, path, each, warnings):
    """Make what is at `each` as the notes say that it was. False where it stays, and what was there is kept."""
    was = notes.files[each]
    whole = os.path.join(path, each)
    if was is not None and not remade(root, path, each, warnings):
        warnings.append("%s can't be put back: what it was in is no folder any more" % whole)
        return False
    try:
        folder, name = open_below(root, each)
    except OSError:
        return True  # nothing was there, and nothing is
    try:
        if each.endswith("/"):
            return folder_back(folder, name, whole, was, warnings)
        return file_back(notes, folder, name, whole, was, warnings)
    except OSError as error:
        raise failed(whole, error)
    finally:
        os.close(folder)


def folder_back(folder, name, whole, was, warnings):
    found = stat_at(folder, name)
    if found is None or not stat_.S_ISDIR(found.st_mode):
        return True
    if was is not None:
        attributes_back(folder, name, was)
        return True
    if os.listdir("/proc/self/fd/%d/%s" % (folder, name)):
        warnings.append("%s is not empty: it was left there" % whole)
        return True
    os.rmdir(name, dir_fd=folder)
    os.fsync(folder)
    return True


def attributes_back(folder, name, was):
    """Give mode and owner as they were, where a Tree has managed them."""
    managed = was["managed"]
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        give(
            descriptor,
            was["mode"] if "mode" in managed else None,
            was["uid"] if "owner" in managed else -1,
            was["gid"] if "group" in managed else -1,
        )
    finally:
        os.close(descriptor)


def file_back(notes, folder, name, whole, was, warnings):
    found = stat_at(folder, name)
    if found is not None and not stat_.S_ISREG(found.st_mode) and not stat_.S_ISLNK(found.st_mode):
        warnings.append("%s is no file any more: it was left as it is" % whole)
        return was is None or was["type"] != "file" or "saved" not in was
    if was is None:
        if found is not None:
            os.unlink(name, dir_fd=folder)
            os.fsync(folder)
        return True
    if was["type"] == "symlink":
        if found is None or not stat_.S_ISLNK(found.st_mode) or os.readlink(name, dir_fd=folder) != was["target"]:
            link_at(folder, name, was["target"])
            os.utime(name, ns=(was["time"], was["time"]), dir_fd=folder, follow_symlinks=False)
        os.chown(name, was["uid"], was["gid"], dir_fd=folder, follow_symlinks=False)
        return True
    if "saved" in was:
        kept = os.open(notes.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            bring_back(kept, folder, name, whole, was)
        finally:
            os.close(kept)
    elif found is not None and stat_.S_ISREG(found.st_mode):
        attributes_back(folder, name, was)
        # Written anew when it was repaired: the same bytes, which are from then.
        if was.get("sha256") and found.st_mtime_ns != was.get("time", found.st_mtime_ns):
            if digest_of(folder, name) == was["sha256"]:
                os.utime(name, ns=(found.st_atime_ns, was["time"]), dir_fd=folder, follow_symlinks=False)
    else:
        warnings.append("%s was there before, and somebody has removed it since: it was left so" % whole)
    return True


def aside_back(root, notes, path, warnings):
    """Put what was moved out of the way where it was; beside it, where something else is by now."""
    kept = os.open(notes.folder, os.O_RDONLY | os.O_DIRECTORY)
    left = []
    try:
        there = [(each, name) for each, name in notes.aside if stat_at(kept, name) is not None]
        paths = [each.rstrip("/") for each, _ in there]
        for number, (each, name) in reversed(list(enumerate(there))):
            # What was moved last may hold what was there first; but a place is of what was first in it.
            later = each.rstrip("/") in paths[:number]
            whole = os.path.join(path, each)
            if not remade(root, path, each, warnings):
                warnings.append("%s can't be put back: what it was in is no folder any more" % whole)
                left.insert(0, [each, name])
                continue
            folder, last = open_below(root, each)
            try:
                if later or stat_at(folder, last) is not None:
                    last = "%s.hearth-%s" % (last, name.rpartition("-")[2])
                    warnings.append(
                        "%s has something else by now: what was moved away is %s, beside it" % (whole, last)
                    )
                move(kept, name, folder, last)
            except OSError as error:
                raise failed(whole, error)
            finally:
                os.close(folder)
    finally:
        os.close(kept)
    notes.aside = left


def op_tree_restore(path, key):
    """Put everything back; return what a person should know of it, in lines, and which files are others by now."""
    notes = Notes(key)
    if not notes.there:
        return {"warnings": [], "changed": []}
    before = stamps(path, [*notes.files, *(each for each, _ in notes.aside)])
    warnings = put_all_back(path, notes)
    return {"warnings": warnings, "changed": changed_since(path, before)}


def put_all_back(path, notes):
    warnings = []
    if open_parent_or_none(path) and not os.path.lexists(path) and (notes.aside or any(notes.files.values())):
        op_make_directory(path, mode="0755", owner="root", group="root")
        warnings.append("%s was removed by somebody: it was made anew for what was in it before" % path)
    root = open_root(path)
    if root is None:
        if notes.aside or any(notes.files.values()):
            warnings.append("%s is no folder any more: what was in it before is kept in %s" % (path, notes.folder))
            return warnings
        notes.remove()
        return warnings
    try:
        files = [each for each in notes.files if not each.endswith("/")]
        stay = [each for each in sorted(files, reverse=True) if not put_back(root, notes, path, each, warnings)]
        for each in sorted((each for each in notes.files if each.endswith("/") and each != "./"), reverse=True):
            put_back(root, notes, path, each, warnings)
        if notes.aside:
            aside_back(root, notes, path, warnings)
    finally:
        os.close(root)
    root_back(path, notes, warnings)
    if stay or notes.aside:
        warnings.append("what could not be put back is kept in %s" % notes.folder)
        return warnings
    notes.remove()
    return warnings


def open_parent_or_none(path):
    try:
        folder, _ = open_parent(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    os.close(folder)
    return True


def root_back(path, notes, warnings):
    """Put the tree's own folder back as it was."""
    if "./" not in notes.files:
        return
    folder, name = open_parent(path)
    try:
        folder_back(folder, name, path, notes.files["./"], warnings)
    except OSError as error:
        raise failed(path, error)
    finally:
        os.close(folder)

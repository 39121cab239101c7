"""What the worker does for a Tree: look at many files at once, and change them in few requests.

Paths are relative to the tree's folder; that of a folder ends with a slash, `./` is the tree's own. No link below the
tree's folder is ever followed. Everything that can be refused is refused before the first change.
"""

import grp
import json
import os
import pwd
import re
import stat as stat_

from providers.machine.worker_files import (
    Refused,
    ids,
    name_of,
    op_stat,
    open_parent,
)
from providers.machine.worker_tree_changes import (
    has_list,
)
from providers.machine.worker_tree_notes import (
    OWN,
    TEMPORARY,
    TREES,
    Notes,
    digest_of,
    open_below,
    open_root,
)

OF_PATHS = (
    "hearth:host:File",
    "hearth:host:Directory",
    "hearth:host:Block",
    "hearth:host:GitCheckout",
    "hearth:host:Venv",
    "hearth:host:MountPoint",
)
"""Kinds whose identity is a path, which may lie in a tree."""


def find(root, path):
    """Find (what is at `path`, None), or (None, the path of a component that is no folder), or (None, None)."""
    if path == "./":
        return os.fstat(root), None
    parts = path.rstrip("/").split("/")
    folder = os.dup(root)
    try:
        for number, part in enumerate(parts):
            try:
                found = os.stat(part, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                return None, None
            if number == len(parts) - 1:
                return found, None
            if not stat_.S_ISDIR(found.st_mode):
                return None, "/".join(parts[: number + 1])
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
    finally:
        os.close(folder)


def word(found):
    for test, text in ((stat_.S_ISREG, "file"), (stat_.S_ISDIR, "directory"), (stat_.S_ISLNK, "symlink")):
        if test(found.st_mode):
            return text
    return "other"


def digest_at(root, path):
    """Return (digest, why it is not known) of a file."""
    folder, name = open_below(root, path)
    try:
        return digest_of(folder, name), ""
    except OSError as error:
        return "", error.strerror
    finally:
        os.close(folder)


def target_at(root, path):
    folder, name = open_below(root, path)
    try:
        return os.readlink(name, dir_fd=folder)
    finally:
        os.close(folder)


def ours(notes, path):
    """Tell whether Hearth made what is at `path`."""
    return path in notes.files and notes.files[path] is None


def look(root, notes, path, wish):
    """Look at what is at `path`; None where nothing is."""
    found, _ = find(root, path)
    if found is None:
        return None
    result = {
        "type": word(found),
        "mode": "%04o" % stat_.S_IMODE(found.st_mode),
        "owner": name_of(pwd.getpwuid, found.st_uid, wish.get("owner")),
        "group": name_of(grp.getgrgid, found.st_gid, wish.get("group")),
        "size": found.st_size,
        "kept": not ours(notes, path),
    }
    if result["type"] == "file" and found.st_mode & 0o020 and has_list(root, path):
        result["listed"] = True  # then the group's bits are what others get by the access control list at most
    if result["type"] == "file" and found.st_size == wish.get("size"):
        result["sha256"], result["unreadable"] = digest_at(root, path)
    elif result["type"] == "symlink":
        result["target"] = target_at(root, path)
    return result


def claimed(key):
    """List the paths that belong to other resources of Hearth's on this machine, from the root on."""
    found = set()
    for folder, _, names in os.walk(TREES):
        if "notes.json" in names and os.path.basename(folder) != key:
            other = Notes(os.path.basename(folder))
            found.update(os.path.normpath(os.path.join(other.path, path)) for path in other.files if path != "./")
    records = os.path.join(OWN, "records")
    for name in os.listdir(records) if os.path.isdir(records) else ():
        try:
            with open(os.path.join(records, name)) as file:
                token, identity = json.load(file)["thing"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if token in OF_PATHS:
            found.add("/" + identity.partition("#")[0])
    return found


def strangers(root, key, path, files, excluded):
    """List what is in the tree's folders and none of its own, nor another resource's, nor excluded."""
    own = {each.rstrip("/") for each in files}
    patterns = [re.compile(each) for each in excluded]
    others = claimed(key)
    found = []
    for folder in sorted(each for each in files if each.endswith("/")):
        below = "" if folder == "./" else folder
        at, blocked = find(root, folder)
        if blocked or at is None or not stat_.S_ISDIR(at.st_mode):
            continue
        opened, name = open_below(root, folder)
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=opened)
        try:
            for name in sorted(os.listdir(inner)):
                each = below + name
                if each in own or TEMPORARY.fullmatch(name):
                    continue
                kind = os.stat(name, dir_fd=inner, follow_symlinks=False).st_mode
                forms = (each, each + "/") if stat_.S_ISDIR(kind) else (each,)
                whole = os.path.join(path, each)
                if any(pattern.fullmatch(form) for pattern in patterns for form in forms):
                    continue
                if not any(other == whole or other.startswith(whole + "/") for other in others):
                    found.append(forms[-1])
        finally:
            os.close(inner)
            os.close(opened)
    return found


def op_tree_look(path, key, files, exact=False, excluded=()):
    """Look at all of a tree. `files`: path -> what is wished there."""
    notes = Notes(key)
    root = open_root(path)
    if root is None:
        found = op_stat(path)
        return {"type": found and found["type"], "files": {}, "strangers": []}
    try:
        there = {each: look(root, notes, each, wish) for each, wish in files.items()}
        return {
            "type": "directory",
            "files": {each: found for each, found in there.items() if found is not None},
            "strangers": strangers(root, key, path, files, excluded) if exact else [],
        }
    finally:
        os.close(root)


def only_released(root, notes, path, released):
    """Tell whether nothing is in the folder `path` but what is about to go."""
    opened, name = open_below(root, path)
    try:
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=opened)
    finally:
        os.close(opened)
    try:
        for entry in os.listdir(inner):
            each = "%s/%s" % (path.rstrip("/"), entry)
            is_folder = stat_.S_ISDIR(os.stat(entry, dir_fd=inner, follow_symlinks=False).st_mode)
            each += "/" if is_folder else ""
            if each not in released or notes.files[each] is not None:
                return False
            if is_folder and not only_released(root, notes, each, released):
                return False
        return True
    finally:
        os.close(inner)


def objection(root, notes, path, each, wish, released):
    """Say (why a file of a tree can't be where it is wished, what to do about it); None where it can."""
    found, blocked = find(root, each)
    if blocked:
        if blocked in released and notes.files[blocked] is None:
            return None
        kind = word(find(root, blocked)[0])
    elif found is None:
        return None
    else:
        kind, blocked = word(found), each.rstrip("/")
        if each.endswith("/") and kind == "directory":
            return None
        if not each.endswith("/") and kind in ("file", "symlink"):
            return None
        if blocked in released and notes.files[blocked] is None:
            return None
        if not each.endswith("/") and kind == "directory":
            folder = each + "/"
            if ours(notes, folder) and folder in released and only_released(root, notes, folder, released):
                return None
    wished = "a link" if "target" in wish else "a file"
    if each.endswith("/") or blocked != each:
        wished = "a folder"
    where = os.path.join(path, blocked)
    if kind == "symlink":
        return "%s is a link to %s, where %s is wished: no link is followed there" % (
            where,
            target_at(root, blocked),
            wished,
        ), "give a Tree of its own to the folder that it points to, or remove the link"
    kind = {"directory": "folder", "other": "pipe, socket or device"}.get(kind, kind)
    return "%s is a %s, and %s is wished in its place" % (where, kind, wished), ("move it away, or name it in exclude")


def objections(root, notes, key, path, files, released, away):
    """List everything that is in the way of a tree, before anything is changed."""
    found = []
    for wish in files.values():
        try:
            ids(wish.get("owner"), wish.get("group"))
        except Refused as error:
            found.append((str(error), ""))
    if root is None:
        there = op_stat(path)
        if there is not None:
            kind = {"symlink": "link"}.get(there["type"], there["type"])
            found.append(("%s is a %s, and no folder" % (path, kind), "move it away, or choose another path"))
        else:
            try:
                os.close(open_parent(path)[0])
            except (FileNotFoundError, NotADirectoryError):
                found.append(
                    (
                        "%s can't be made: the folder that it is to lie in is not there" % path,
                        "add a Directory for it, and name it in depends_on",
                    )
                )
        return found
    others = claimed(key) if any(each not in notes.files for each in files) else ()
    for each, wish in files.items():
        each_found = objection(root, notes, path, each, wish, released)
        if each_found:
            found.append(each_found)
        whole = os.path.join(path, each)
        if each not in notes.files and not each.endswith("/") and whole in others:
            found.append(("%s is another resource's of Hearth's" % whole, "leave one of the two out"))
    here = os.fstat(root).st_dev
    for each in away:
        at = find(root, each)[0]
        if at is not None and at.st_dev != here and each.endswith("/"):
            found.append(("%s is a mount of its own" % os.path.join(path, each), "name it in exclude"))
    return found

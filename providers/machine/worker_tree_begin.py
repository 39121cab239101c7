"""How the worker begins with the files of a Tree: all that needs no bytes from elsewhere, the way back first."""

import os
import stat as stat_

from providers.machine.worker_files import (
    ids,
)
from providers.machine.worker_tree import (
    find,
    look,
    objections,
    ours,
    strangers,
)
from providers.machine.worker_tree_back import (
    put_back,
)
from providers.machine.worker_tree_changes import (
    changed_since,
    stamps,
)
from providers.machine.worker_tree_notes import (
    Notes,
    failed,
    move,
    noted,
    open_below,
    open_root,
    save,
)
from providers.machine.worker_write import (
    give,
    link_at,
    op_make_directory,
)


def holding(notes, path, wish):
    """Return the properties that are to be as wished: all of what Hearth made, else those that were asked for."""
    return {"mode", "owner", "group"} if ours(notes, path) else set(wish.get("managed", ()))


def right(notes, path, wish, there):
    """Tell (whether the bytes are as wished, whether mode and owner are)."""
    if "target" in wish:
        return there["type"] == "symlink" and there["target"] == wish["target"], True
    kind = "directory" if path.endswith("/") else "file"
    attributes = all(there[name] == wish[name] for name in holding(notes, path, wish))
    return there["type"] == kind and (kind == "directory" or there.get("sha256") == wish["sha256"]), attributes


def note(root, notes, path, wish, there):
    """Note what is at `path` before it is taken, unless that was done before."""
    found = find(root, path)[0] if root is not None else None
    managed = wish.get("managed", ())
    if path in notes.files:
        was = notes.files[path]
        if was is not None and was["type"] != "symlink":
            was["managed"] = sorted({*was["managed"], *managed})
    elif there is None:
        notes.files[path] = None
    elif there["type"] == "symlink":
        notes.files[path] = {
            "type": "symlink",
            "target": there["target"],
            "uid": found.st_uid,
            "gid": found.st_gid,
            "time": found.st_mtime_ns,
        }
    else:
        notes.files[path] = dict(
            noted(found, managed), type=there["type"], sha256=there.get("sha256"), time=found.st_mtime_ns
        )


def keep(root, notes, kept, path, wish):
    """Save the file at `path`, which is about to get other bytes, if it was there before.

    Not where it is about to get the very bytes that it had before, and that somebody has changed since.
    """
    was = notes.files[path]
    if was is None or was["type"] != "file" or "saved" in was:
        return
    if was.get("sha256") and was["sha256"] == wish.get("sha256"):
        return
    folder, name = open_below(root, path)
    try:
        if stat_.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            save(kept, folder, name, path, was)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise failed(path, error)
    finally:
        os.close(folder)


def taken(root, notes, path, wish):
    """Look at what stays at `path` until it is changed: not at what goes first, as a file where a folder comes."""
    found = None if root is None else look(root, notes, path, wish)
    return found if found is not None and (found["type"] == "directory") == path.endswith("/") else None


def op_tree_begin(path, key, files, exact=False, excluded=()):
    """Do all that needs no bytes from elsewhere; return what is to be sent then, what was moved away, what changed.

    Or, with nothing changed, what was refused.
    """
    notes = Notes(key)
    root = open_root(path)
    released = sorted((each for each in notes.files if each not in files), reverse=True)
    away = strangers(root, key, path, files, excluded) if exact and root is not None else []
    away = [each for each in away if each not in notes.files]
    refused = objections(root, notes, key, path, files, set(released), away)
    if refused:
        texts, remedies = [text for text, _ in refused], [remedy for _, remedy in refused if remedy]
        return {"refused": texts[:10], "more": max(0, len(texts) - 10), "remedy": remedies[0] if remedies else ""}
    there = {each: taken(root, notes, each, wish) for each, wish in files.items()}
    kept = notes.open()
    warnings = []
    before = stamps(path, [*released, *away, *(each for each, wish in files.items() if "target" in wish)])
    try:
        notes.path = path
        send = []
        for each, wish in sorted(files.items()):
            found = there[each]
            good = found is not None and right(notes, each, wish, found)[0]
            note(root, notes, each, wish, found)
            if not good and not each.endswith("/"):
                keep(root, notes, kept, each, wish)
                if "target" not in wish:
                    send.append(each)
        notes.write()
        stay = [each for each in released if not put_back(root, notes, path, each, warnings)]
        if released and exact:  # what was there before one of ours, which is wished no longer
            away = strangers(root, key, path, files, excluded)
        move_away(root, notes, kept, path, away)
        if root is None:
            wish = files["./"]
            op_make_directory(path, mode=wish["mode"], owner=wish["owner"], group=wish["group"])
            root = open_root(path)
        for each, wish in sorted(files.items()):  # a folder comes before what is in it
            if each.endswith("/") or "target" in wish or each not in send:
                arrange(root, notes, path, each, wish)
        if released:
            notes.files = {each: was for each, was in notes.files.items() if each in files or each in stay}
            notes.write()
    finally:
        os.close(kept)
        if root is not None:
            os.close(root)
    changed = changed_since(path, before)
    return {"send": send, "moved": away, "aside": notes.folder, "warnings": warnings, "changed": changed}


def move_away(root, notes, kept, path, away):
    """Move what is in the way to where the notes are; it is noted first."""
    numbers = [int(name.rpartition("-")[2]) for _, name in notes.aside]
    moved = [[each, "aside-%d" % (max([0, *numbers]) + 1 + at)] for at, each in enumerate(away)]
    if moved:
        notes.aside += moved
        notes.write()
    for each, name in moved:
        folder, last = open_below(root, each)
        try:
            move(folder, last, kept, name)
        except OSError as error:
            raise failed(os.path.join(path, each), error)
        finally:
            os.close(folder)


def arrange(root, notes, path, each, wish):
    """See to a folder, a link, or the mode and owner of a file whose bytes are right."""
    there = look(root, notes, each, wish)
    whole = os.path.join(path, each)
    try:
        if "target" in wish:
            if there is None or not right(notes, each, wish, there)[0]:
                folder, name = open_below(root, each)
                try:
                    link_at(folder, name, wish["target"])
                finally:
                    os.close(folder)
            return
        if there is None:
            op_make_directory(whole.rstrip("/"), mode=wish["mode"], owner=wish["owner"], group=wish["group"])
        elif not right(notes, each, wish, there)[1]:
            names = holding(notes, each, wish)
            uid, gid = ids(wish["owner"] if "owner" in names else None, wish["group"] if "group" in names else None)
            folder, name = open_below(root, each)
            try:
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
                try:
                    give(descriptor, int(wish["mode"], 8) if "mode" in names else None, uid, gid)
                finally:
                    os.close(descriptor)
            finally:
                os.close(folder)
    except OSError as error:
        raise failed(whole, error)

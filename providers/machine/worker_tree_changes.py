"""What the worker tells of a Tree's files beside what they hold: who else writes into them, and which have changed."""

import os

from providers.machine.worker_metadata import (
    LIST,
    attributes_of,
)
from providers.machine.worker_tree_notes import (
    open_below,
)


def has_list(root, path):
    """Tell whether a file has an access control list."""
    folder, name = open_below(root, path)
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        try:
            return LIST in attributes_of(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        return False
    finally:
        os.close(folder)


def stamps(path, files):
    """Tell by each file whether it is there, and which it is: what differs later has been changed."""
    found = {}
    for each in files:
        if not each.endswith("/"):
            try:
                now = os.lstat(os.path.join(path, each))
                found[each] = (now.st_ino, now.st_size, now.st_mtime_ns)
            except OSError:
                found[each] = None
    return found


def changed_since(path, before):
    """List [path, whether something is there now] of each that is not what it was."""
    now = stamps(path, before)
    return [[each, now[each] is not None] for each in sorted(before) if now[each] != before[each]]

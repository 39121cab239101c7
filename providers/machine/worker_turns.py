"""The new file that is to take another's place, and whose turn it is to write it: a part of the worker's text.

Several workers may write one file at the same time: what two units share the folders of, say.
"""

import fcntl
import hashlib
import os
import time

TURN_SECONDS = 20.0
"""How long another may take to write the same file before its new file counts as left behind."""


def beside(folder, name, fresh=True):
    """Return the name of the new file that is to take the place of `name`.

    It is always the same, so that what a machine that lost its power left of an earlier one goes away; unless it is
    not a `fresh` one.
    """
    temporary = ".hearth-" + hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    if fresh:
        drop(folder, temporary)
    return temporary


def claim(folder, name):
    """Make the new file that is to take the place of `name`: its name, and it opened and locked.

    Of two who write one file at a time the second waits for the first; what nobody holds a lock on was left behind.
    """
    temporary = beside(folder, name, fresh=False)
    until = time.monotonic() + TURN_SECONDS
    while True:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
        except FileExistsError:
            if not drop_if_left(folder, temporary, at_once=time.monotonic() > until):
                time.sleep(0.01)
            continue
        # In the moment before this somebody may have taken it for left behind.
        if locked(descriptor) and named(folder, temporary, descriptor):
            return temporary, descriptor
        os.close(descriptor)


def drop_if_left(folder, temporary, at_once=False):
    """Remove it where no writer holds it, or `at_once`; whether it is gone."""
    try:
        descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except FileNotFoundError:
        return True
    except OSError:  # a link, say
        drop(folder, temporary)
        return True
    try:
        if at_once or (locked(descriptor) and named(folder, temporary, descriptor)):
            drop(folder, temporary)
            return True
        return False
    finally:
        os.close(descriptor)


def locked(descriptor):
    """Take the lock of a file; False where another has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # there are file systems without locks
        pass
    return True


def named(folder, name, descriptor):
    """Return whether what is open is what has that name."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    mine = os.fstat(descriptor)
    return (found.st_dev, found.st_ino) == (mine.st_dev, mine.st_ino)


def drop(folder, name):
    """Remove a file, if it is there."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass

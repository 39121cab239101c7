"""Locks among all who use Hearth on a machine: a part of the text that the worker is sent in.

They are files, and go with the last thing that is managed here.
"""

import fcntl
import glob
import hashlib
import os
import time

OWN = "/var/lib/hearth"
LOCKS = "/run/hearth/locks"
"""Not under /run/lock, where every user may make folders."""
_locks = {}


def lock_file(name):
    """Return the file of a lock: its name where that fits; two long names that begin alike must not share one."""
    plain = name.replace("/", "!")
    return plain if len(os.fsencode(plain)) <= 200 else hashlib.sha256(os.fsencode(name)).hexdigest()


def op_lock(names, timeout):
    """Take file locks, in the order given; they go when they are released or when this worker ends."""
    until = time.monotonic() + timeout
    for name in names:
        path = os.path.join(LOCKS, lock_file(name))
        descriptor = None
        while True:
            try:
                if descriptor is None:
                    os.makedirs(LOCKS, mode=0o700, exist_ok=True)
                    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                    break
                raise FileNotFoundError
            except FileNotFoundError:  # whoever had it last has tidied up: once more
                if descriptor is not None:
                    os.close(descriptor)
                    descriptor = None
            except BlockingIOError:
                if time.monotonic() > until:
                    holder = os.read(descriptor, 100).decode("utf-8", "replace") or "another process"
                    os.close(descriptor)
                    let_go()
                    return {"busy": name, "holder": holder}
                time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"process %d" % os.getpid(), 0)
        _locks[name] = descriptor
    return {}


def let_go():
    while _locks:
        os.close(_locks.popitem()[1])
    if not os.path.exists(OWN):  # nothing is managed here any more
        tidy_up()


def tidy_up():
    """Take away what is only of use while something is managed: locks that nobody holds, marks of reloads."""
    for folder in (LOCKS, os.path.dirname(LOCKS), *glob.glob("/run/user/*/hearth")):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            for name in os.listdir(descriptor):
                take_away(descriptor, name, folder == LOCKS)
        finally:
            os.close(descriptor)
        try:
            os.rmdir(folder)
        except OSError:  # somebody is at work there
            pass


def take_away(folder, name, lock):
    if not lock and name not in ("reload", "reloaded", "began"):
        return
    try:
        file = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name, dir_fd=folder)
    except OSError:
        pass
    finally:
        os.close(file)

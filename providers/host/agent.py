"""The worker that runs on a managed machine: takes one request after another on stdin, answers on stdout.

Its source is sent over the connection and run by the machine's own python3 (3.8 or later, standard library only);
nothing is installed. Frames are a decimal length, a newline, and that many bytes of JSON. It acts as root; values
arrive on stdin only. It ends when its input ends, or when it has heard nothing for SILENCE seconds (a network cut
leaves no end of input): a command under way is finished first, so that a package is never left half unpacked.
"""

import base64
import errno
import fcntl
import grp
import hashlib
import json
import os
import pwd
import select
import signal
import stat as stat_
import subprocess
import tempfile
import time

SILENCE = 45.0
"""Seconds without a request or a ping after which the worker ends; the other side pings every 5 s."""
LIMIT = 4 * 1024 * 1024
"""Bytes of a file that are read at most: more has no place in a Pulumi state."""
OUTPUT_LIMIT = 1024 * 1024
"""Bytes kept of each output stream of a command: the last ones."""
LOCKS = "/run/hearth/locks"
"""Not under /run/lock, where every user may make folders."""
_locks = {}


class Refused(Exception):
    """A request that is not carried out; the text says why."""


# --- paths: no link that an ordinary user could have planted is followed -------------------------------------------


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


# --- accounts and commands -----------------------------------------------------------------------------------------


def op_account(name):
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return {
        "name": entry.pw_name,
        "uid": entry.pw_uid,
        "gid": entry.pw_gid,
        "group": name_of(grp.getgrgid, entry.pw_gid),
        "groups": sorted(group.gr_name for group in grp.getgrall() if name in group.gr_mem),
        "home": entry.pw_dir,
        "shell": entry.pw_shell,
        "gecos": entry.pw_gecos,
    }


def environment_of(user, extra):
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    if "/run/current-system/sw/bin" in os.environ.get("PATH", ""):
        path = "/run/wrappers/bin:/run/current-system/sw/bin:" + path
    result = {"PATH": path, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": "/root", "USER": "root", "LOGNAME": "root"}
    if user is not None:
        runtime = "/run/user/%d" % user.pw_uid
        result.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name, XDG_RUNTIME_DIR=runtime)
        result["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=%s/bus" % runtime
    result.update(extra or {})
    return result


def become(user):
    """Give up root for good; runs in the child, before the command."""

    def change():
        if user is not None:
            os.setgroups(os.getgrouplist(user.pw_name, user.pw_gid))
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)

    return change


def tail(file):
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - OUTPUT_LIMIT))
    return file.read().decode("utf-8", "replace")


def op_run(argv, stdin="", script=None, user=None, cwd=None, timeout=60.0, environment=None):
    account = None
    if user is not None:
        try:
            account = pwd.getpwnam(user)
        except KeyError:
            raise Refused("the user %r does not exist: make it with a User first" % user) from None
    if cwd is None:
        cwd = account.pw_dir if account is not None and os.path.isdir(account.pw_dir) else "/"
    descriptors = ()
    argv = list(argv)
    if script is not None:
        # A memory file has no name that another process could open, and shows in no process list.
        descriptor = os.memfd_create("hearth-script", 0)
        os.write(descriptor, base64.b64decode(script))
        os.lseek(descriptor, 0, os.SEEK_SET)
        if account is not None:
            os.fchown(descriptor, account.pw_uid, account.pw_gid)
        os.fchmod(descriptor, 0o500)
        descriptors = (descriptor,)
        argv.append("/proc/self/fd/%d" % descriptor)
    # Files, not pipes: a daemon that keeps the output open does not hold us, and a long line does not hang.
    # The input is a memory file: it may be secret, and a full disk does not matter to it.
    given = os.fdopen(os.memfd_create("hearth-input"), "w+b")
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, given as into:
        into.write(base64.b64decode(stdin))
        into.seek(0)
        try:
            process = subprocess.Popen(
                argv,
                stdin=into,
                stdout=out,
                stderr=err,
                cwd=cwd,
                env=environment_of(account, environment),
                pass_fds=descriptors,
                preexec_fn=become(account),
                start_new_session=True,
            )
        except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
            if error.filename == cwd:
                raise Refused("the folder %s to run %r in can't be entered" % (cwd, argv[0])) from None
            return {"status": 127, "stdout": "", "stderr": "%s: %s" % (argv[0], error.strerror), "late": False}
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        late = False
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            late, status = True, -signal.SIGKILL
            # SIGKILL always follows: the leader may have ended at SIGTERM and left children that did not.
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, number)
                    status = process.wait(3)
                except (subprocess.TimeoutExpired, ProcessLookupError):
                    pass
        return {
            "status": status if status >= 0 else 128 - status,
            "stdout": tail(out),
            "stderr": tail(err),
            "late": late,
        }


# --- locks and identity --------------------------------------------------------------------------------------------


def lock_file(name):
    """The file of a lock: its name where that fits; two long names that begin alike must not share one."""
    plain = name.replace("/", "!")
    return plain if len(os.fsencode(plain)) <= 200 else hashlib.sha256(os.fsencode(name)).hexdigest()


def op_lock(names, timeout):
    """Take file locks, in the order given; they go when they are released or when this worker ends."""
    os.makedirs(LOCKS, mode=0o700, exist_ok=True)
    end = time.monotonic() + timeout
    for name in names:
        path = os.path.join(LOCKS, lock_file(name))
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    holder = os.read(descriptor, 100).decode("utf-8", "replace") or "another process"
                    os.close(descriptor)
                    op_unlock()
                    return {"busy": name, "holder": holder}
                time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"process %d" % os.getpid(), 0)
        _locks[name] = descriptor
    return {}


def op_unlock():
    while _locks:
        os.close(_locks.popitem()[1])


def op_identity():
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            with open(path) as file:
                found = file.read().strip()
                if found:
                    return {"id": found}
        except OSError:
            pass
    raise Refused("/etc/machine-id is missing or empty: run systemd-machine-id-setup on the machine")


OPERATIONS = {name[3:]: function for name, function in list(globals().items()) if name.startswith("op_")}


def answer(request):
    try:
        return {"result": OPERATIONS[request["op"]](**request.get("args", {}))}
    except Refused as error:
        return {"refused": str(error)}
    except OSError as error:
        return {"error": error.strerror or str(error), "errno": error.errno, "path": str(error.filename or "")}
    except Exception as error:
        return {"error": "%s: %s" % (type(error).__name__, error), "errno": 0, "path": ""}


def read_exactly(stream, size):
    """`size` bytes, or None where the other side has gone or has been silent for too long."""
    data = b""
    while len(data) < size:
        if not select.select([stream], [], [], SILENCE)[0]:
            return None
        piece = os.read(stream, size - len(data))
        if not piece:
            return None
        data += piece
    return data


def read_frame(stream):
    digits = b""
    while True:
        byte = read_exactly(stream, 1)
        if byte is None:
            return None
        if byte == b"\n":
            return read_exactly(stream, int(digits))
        digits += byte


def main():
    os.umask(0o022)
    os.chdir("/")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    while True:
        frame = read_frame(0)
        if frame is None:
            return
        if not frame:  # a ping: it is enough that it came
            continue
        reply = json.dumps(answer(json.loads(frame.decode()))).encode()
        data = b"%d\n" % len(reply) + reply
        try:
            while data:
                data = data[os.write(1, data) :]
        except OSError:
            return


if __name__ == "__main__":
    main()

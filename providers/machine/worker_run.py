"""How the worker runs commands: as an account, with a deadline, and with nothing left behind. Part of its one text."""

import base64
import grp
import os
import pwd
import signal
import subprocess
import tempfile

from providers.machine.worker_files import (
    Refused,
    name_of,
)

OUTPUT_LIMIT = 1024 * 1024
"""Bytes kept of each output stream of a command: the last ones."""


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
        "gecos": os.fsencode(entry.pw_gecos).decode("utf-8", "replace"),
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
    """Return what gives up root for good, in the child, before the command; None where it stays who we are.

    Without such a function Python need not copy the whole process (vfork).
    """
    if user is None:
        return None

    def change():
        os.setgroups(os.getgrouplist(user.pw_name, user.pw_gid))
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)

    return change


def tail(file):
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - OUTPUT_LIMIT))
    return file.read().decode("utf-8", "replace")


def children():
    """Return the processes whose parent this is."""
    try:
        with open("/proc/self/task/%d/children" % os.getpid()) as file:
            return {int(pid) for pid in file.read().split()}
    except OSError:  # a kernel without that list
        return set()


def adopt(orphans):
    """Have what outlives its parent come to us (PR_SET_CHILD_SUBREAPER of prctl(2)), or to init again."""
    import ctypes  # takes a while, and few need it

    ctypes.CDLL(None).prctl(36, int(orphans), 0, 0, 0)


def end(account, before):
    """End what has come to us since: what a command left behind that was only to look."""
    while True:
        left = children() - before
        if not left:
            return
        for pid in left:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            # podman goes by this number, which may be another's one day.
            note = "/run/user/%d/libpod/tmp/pause.pid" % account.pw_uid
            try:
                with open(note) as file:
                    if file.read().strip() == str(pid):
                        os.unlink(note)
            except OSError:
                pass


def op_run(argv, stdin="", script=None, user=None, cwd=None, timeout=60.0, environment=None, tidy=False):
    if not tidy:
        return run(argv, stdin, script, user, cwd, timeout, environment)
    adopt(True)
    before = children()
    try:
        return run(argv, stdin, script, user, cwd, timeout, environment)
    finally:
        try:
            end(pwd.getpwnam(user), before)
        except KeyError:
            pass
        adopt(False)


def run(argv, stdin, script, user, cwd, timeout, environment):
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

"""The worker that runs on a managed machine: takes one request after another on stdin, answers on stdout.

Its source is sent over the connection and run by the machine's own python3 (3.8 or later, standard library only);
nothing is installed. It goes as one text: the modules `worker_...`, and then this file, without their imports of each
other. It says that it is there (READY); from then on, frames are a decimal length, a newline, and that many bytes of
JSON. It acts as root; values arrive on stdin only. It ends when its input ends, or when it has heard nothing for
SILENCE seconds (a network cut leaves no end of input): a command under way is finished first, so that a package is
never left half unpacked.
"""

import json
import os
import select
import signal

from providers.machine.worker_files import (
    Refused,
    op_remove,
    op_stat,
)
from providers.machine.worker_locks import (
    let_go,
    op_lock,
)
from providers.machine.worker_metadata import (
    why_not,
)
from providers.machine.worker_run import (
    op_account,
    op_run,
)
from providers.machine.worker_write import (
    op_make_directory,
    op_set_attributes,
    op_symlink,
    op_write,
)

READY = b"hearth worker: " + b"ready\n"
"""What it says first: all before this is from the login's own start files. In two parts, so that a copy of this text,
as of a shell that repeats what it is given, is not taken for it."""
SILENCE = 45.0
"""Seconds without a request or a ping after which the worker ends; the other side pings every 5 s."""
_barred = []
"""What failed of that on which all else depends."""


# --- what all else depends on, and identity ------------------------------------------------------------------------


def op_first(op, args):
    """Carry out an operation on which all that follows depends, and that is not waited for.

    Where it fails, nothing else is done until `again` or `unlock`: what follows it is on its way already.
    """
    try:
        return OPERATIONS[op](**args)
    except BaseException:
        _barred.append(op)
        raise


def op_again():
    _barred.clear()


def op_unlock():
    _barred.clear()
    let_go()


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


def op_learn(text):
    """Take in more of the worker's own text: what only some kinds need, and most workers never."""
    known = set(globals())
    exec(compile(text, "hearth", "exec"), globals())
    for name in set(globals()) - known:
        if name.startswith("op_"):
            OPERATIONS[name[3:]] = globals()[name]


OPERATIONS = {
    each.__name__[3:]: each
    for each in (
        op_stat,
        op_write,
        op_set_attributes,
        op_symlink,
        op_make_directory,
        op_remove,
        op_account,
        op_run,
        op_lock,
        op_unlock,
        op_identity,
        op_learn,
        op_first,
        op_again,
    )
}
WHILE_BARRED = ("again", "unlock", "learn", "identity")


def answer(request):
    if _barred and request["op"] not in WHILE_BARRED:
        return {"refused": "what was to be done before it failed", "remedy": ""}
    try:
        return {"result": OPERATIONS[request["op"]](**request.get("args", {}))}
    except Refused as error:
        return {"refused": str(error), "remedy": error.remedy}
    except OSError as error:
        reason, remedy = reason_of(error, request.get("args", {}))
        text = error.strerror or str(error)
        return {"error": text, "errno": error.errno, "reason": reason, "remedy": remedy}
    except Exception as error:
        return {"error": "%s: %s" % (type(error).__name__, error), "errno": 0}


def reason_of(error, args):
    """Return what is behind an error of the system, as far as the machine can tell, and what to do about it."""
    try:
        return why_not(error.errno, args["path"]) if "path" in args else ("", "")
    except (OSError, ValueError):
        return "", ""


def read_exactly(stream, size):
    """Return `size` bytes, or None where the other side has gone or has been silent for too long."""
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
    # What was said before may have ended without a newline.
    os.write(1, b"\n" + READY)
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

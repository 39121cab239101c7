"""The client of LXD's API that runs on a managed machine, over the daemon's own socket; one text, on its own Python.

Reads one JSON object on stdin: `socket`, and `requests`, each with `method`, `path`, `body` or `file`, `timeout`
(seconds), and `wait` (seconds to wait for the operation that it begins). Writes one JSON list: for each request its
`status`, `metadata` and `error`, or `failure`: "absent" (no daemon listens), "late" (no answer in time). After a
failure the requests behind it are not sent. Values come on stdin, so that none shows in a process list.
"""

import http.client
import json
import os
import socket
import sys
import time


class SocketConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("lxd", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def send(path, method, place, timeout, body=None, file=None):
    connection = SocketConnection(path, timeout)
    try:
        if file is not None:
            with open(file, "rb") as data:
                headers = {"Content-Type": "application/octet-stream", "Content-Length": str(os.stat(file).st_size)}
                connection.request(method, place, body=data, headers=headers)
        else:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, place, body=data, headers={"Content-Type": "application/json"})
        response = connection.getresponse()
        return json.loads(response.read() or b"{}")
    finally:
        connection.close()


def carry_out(path, request):
    timeout = request.get("timeout", 10)
    end = time.monotonic() + timeout
    try:
        answer = send(path, request["method"], request["path"], timeout, request.get("body"), request.get("file"))
        if answer.get("type") == "async" and request.get("wait"):
            # For an operation of another member, it carries a query.
            operation = answer["operation"].partition("?")[0]
            wait = request["wait"]
            answer = send(path, "GET", "%s/wait?timeout=%d" % (operation, wait), wait + 5)
            if answer.get("type") == "error":
                return {"status": answer.get("error_code") or 500, "metadata": None, "error": answer.get("error") or ""}
            found = answer.get("metadata") or {}
            if found.get("status_code", 0) == 103 or not found.get("status_code"):
                return {"status": 0, "metadata": None, "error": "", "failure": "late"}
            if found.get("status_code") != 200:
                return {"status": found.get("status_code"), "metadata": None, "error": found.get("err") or "cancelled"}
    except (FileNotFoundError, ConnectionRefusedError) as error:
        return {"status": 0, "metadata": None, "error": str(error), "failure": "absent"}
    except socket.timeout:
        return {"status": 0, "metadata": None, "error": "", "failure": "late"}
    except (OSError, http.client.HTTPException, ValueError) as error:
        gone = "late" if time.monotonic() > end else "absent"
        return {"status": 0, "metadata": None, "error": str(error), "failure": gone}
    status = answer.get("error_code") or answer.get("status_code") or 0
    return {"status": status, "metadata": answer.get("metadata"), "error": answer.get("error") or ""}


def main():
    work = json.load(sys.stdin)
    path = next((each for each in work["sockets"] if os.path.exists(each)), work["sockets"][0])
    answers = []
    for request in work["requests"]:
        answers.append(carry_out(path, request))
        if "failure" in answers[-1]:
            break
    json.dump(answers, sys.stdout)


main()

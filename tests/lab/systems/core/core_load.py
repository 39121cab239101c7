"""Asks an address many times a second and sorts the answers; run on a lab machine, so it needs nothing but Python.

Arguments: URL, requests a second, file, and a path (else /health nine times out of ten, and / once). It goes on until
that file is gone, then prints what it saw as JSON.
"""

import base64
import http.client
import json
import sys
import threading
import time
import urllib.parse
from pathlib import Path

url, rate, flag = urllib.parse.urlsplit(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
only = sys.argv[4] if len(sys.argv) > 4 else ""
ACCESS = {"Authorization": "Basic " + base64.b64encode(b"lab:canary-access-password").decode()}
WORKERS = 20  # threads
seen = {"right": 0, "refused": 0, "wrong": 0}
times, examples = [], []
guard = threading.Lock()


def ask(path):
    """Make one request on a connection of its own, and return `right`, `refused`, or what was wrong."""
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
    begun = time.monotonic()
    try:
        connection.request("GET", path, headers=ACCESS)
        answer = connection.getresponse()
        body = answer.read().decode()
    except (OSError, http.client.HTTPException):
        return "refused"
    finally:
        connection.close()
    with guard:
        times.append(time.monotonic() - begun)
    if path == "/health":
        good = answer.status == 200 and set(json.loads(body)["checks"]) == {"db", "llm", "mail"}
    else:
        good = answer.status == 200 and "health-status" in body
    return "right" if good else f"{path} {answer.status} {body[:200]}"


def work(number):
    due = time.monotonic() + number / rate
    turn = number
    while Path(flag).exists():
        pause = due - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        found = ask(only or ("/" if turn % 10 == 0 else "/health"))
        with guard:
            if found in seen:
                seen[found] += 1
            else:
                seen["wrong"] += 1
                examples.append(found)
        # Behind by more than a second: the machine can't do it, and catching up in a burst would measure that.
        due = max(due + WORKERS / rate, time.monotonic() - 1)
        turn += 1


begun = time.monotonic()
threads = [threading.Thread(target=work, args=(number,)) for number in range(WORKERS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
ordered = sorted(times) or [0.0]
seen["seconds"] = round(time.monotonic() - begun, 1)
seen["milliseconds"] = {
    "p50": round(ordered[len(ordered) // 2] * 1000, 1),
    "p99": round(ordered[int(len(ordered) * 0.99)] * 1000, 1),
}
seen["examples"] = examples[:3]
print(json.dumps(seen))

"""A visitor of the mail assistant, on its own machine; run there, so it needs nothing but Python.

core_visitor.py ask PATH VALUES        one request; with values (JSON), they are saved as a form does it
core_visitor.py wait STATE SECONDS     until /health says so of the database; prints how long it took
core_visitor.py kill TIMES RATE        kills the backend so often while core_load.py asks; prints what both saw
"""

import base64
import http.cookiejar
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

URL = "http://127.0.0.1:8000"
ACCESS = {"Authorization": "Basic " + base64.b64encode(b"lab:canary-access-password").decode()}
BACKEND = "mail-assistant-backend-1"
PATIENCE = 120  # seconds


def ask(path, values=None):
    """Return the status and the text of an answer; status 0 where there is none."""
    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)

    def once(where, data=None):
        try:
            with opener.open(urllib.request.Request(URL + where, data, ACCESS), timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    status, text = once("/config" if values else path)
    if values and status == 200:
        token = re.search('name="csrf_token" value="([0-9a-f]+)"', text)[1]
        status, text = once(path, urllib.parse.urlencode({**values, "csrf_token": token}).encode())
    return status, text


def database_state():
    status, text = ask("/health")
    return json.loads(text)["checks"]["db"] if status == 200 else f"status {status}"


def wait(state, seconds):
    begun = time.monotonic()
    while database_state() != state:
        if time.monotonic() - begun > seconds:
            sys.exit(f"/health did not say db: {state} within {seconds} s")
        time.sleep(0.2)
    return time.monotonic() - begun


def kill(times, rate):
    """Return what the load saw, and the numbers of the kills after which a setting saved before was gone."""
    flag = Path("/root/load.flag")
    flag.touch()
    command = [sys.executable, "/root/core_load.py", URL, str(rate), str(flag)]
    load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    unsaved, forgotten, starts = 0, [], []
    try:
        for number in range(times):
            status, text = ask("/config", {"event_name": f"Before kill {number}"})
            kept = status == 200 and "Saved." in text
            unsaved += not kept
            subprocess.run(["docker", "kill", BACKEND], check=True, capture_output=True)
            begun = time.monotonic()
            subprocess.run(["docker", "start", BACKEND], check=True, capture_output=True)
            wait("ok", PATIENCE)
            starts.append(round(time.monotonic() - begun, 1))
            # Twenty others ask ten times a second each: a page may take longer than this has patience.
            for _ in range(5):
                status, text = ask("/config")
                if status != 0:
                    break
            if kept and (status != 200 or f'value="Before kill {number}"' not in text):
                forgotten.append([number, status])
    finally:
        flag.unlink()
        seen = json.loads(load.communicate()[0])
    return {**seen, "unsaved": unsaved, "forgotten": forgotten, "starts": starts}


if sys.argv[1] == "ask":
    print(json.dumps(ask(sys.argv[2], json.loads(sys.argv[3]))))
elif sys.argv[1] == "wait":
    print(wait(sys.argv[2], float(sys.argv[3])))
else:
    print(json.dumps(kill(int(sys.argv[2]), int(sys.argv[3]))))

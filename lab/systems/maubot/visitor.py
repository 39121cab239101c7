"""Runs on a lab machine: `visitor.py COMMAND JSON`, answers in JSON. Standard library only.

A person's client of the homeserver there: logs in, makes rooms, invites bots, says something and waits for the reply.
"""

import json
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

BASE = "http://127.0.0.1:8008"
V3 = "/_matrix/client/v3"


def ask(method, path, token=None, body=None, timeout=60):
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(
            urllib.request.Request(BASE + path, data, headers, method=method), timeout=timeout
        ) as found:
            return json.loads(found.read() or b"{}")
    except urllib.error.HTTPError as error:
        return {"status": error.code, **json.loads(error.read() or b"{}")}


def quote(text):
    return urllib.parse.quote(text, safe="")


def login(user, password):
    body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": user}, "password": password}
    return ask("POST", V3 + "/login", body={**body, "device_id": "VISITOR"})["access_token"]


def register(user, password):
    """Make a new account, where the homeserver asks for nothing but the stage `dummy`."""
    body = {"username": user, "password": password, "auth": {"type": "m.login.dummy"}}
    return ask("POST", V3 + "/register", body=body)["user_id"]


def registration_token(token, seconds=None, **limits):
    """Make a token; `seconds` from now on it is good for."""
    if seconds is not None:
        limits["expiry_time"] = int((time.time() + seconds) * 1000)
    return ask("POST", "/_synapse/admin/v1/registration_tokens/new", token, limits)["token"]


def room(token, bots, alias=None):
    body = {"invite": bots, "preset": "private_chat", **({"room_alias_name": alias} if alias else {})}
    made = ask("POST", V3 + "/createRoom", token, body)["room_id"]
    end = time.monotonic() + 60
    while time.monotonic() < end:
        joined = ask("GET", f"{V3}/rooms/{quote(made)}/joined_members", token)["joined"]
        if set(bots) <= set(joined):
            return made
        time.sleep(0.1)
    raise SystemExit(f"{bots} did not join: {list(joined)}")


def say(token, room, text, patience=5.0, every=None):
    """Return the seconds until somebody else's message that holds ours, and its text.

    Null where none came within `patience`.
    """
    stamp = str(time.time_ns())  # a first sync may be an answer of some minutes ago
    text = f"{text} {stamp}"
    since = ask("GET", V3 + "/sync?timeout=0", token)["next_batch"]
    me = ask("GET", V3 + "/account/whoami", token)["user_id"]
    begun = time.monotonic()
    said = 0
    while time.monotonic() - begun < patience:
        if said == 0 or (every and time.monotonic() - begun > said * every):
            said += 1
            sent = ask(
                "PUT",
                f"{V3}/rooms/{quote(room)}/send/m.room.message/{time.time_ns()}",
                token,
                {"msgtype": "m.text", "body": text},
            )
            if "event_id" not in sent:
                time.sleep(0.5)
        found = ask("GET", f"{V3}/sync?timeout=500&since={since}", token)
        since = found.get("next_batch", since)
        for event in found.get("rooms", {}).get("join", {}).get(room, {}).get("timeline", {}).get("events", []):
            if (
                event["type"] == "m.room.message"
                and event["sender"] != me
                and stamp in str(event["content"].get("body"))
            ):
                return {"seconds": time.monotonic() - begun, "text": event["content"].get("body")}
    return {"seconds": None, "text": None}


def tell(token, room, text, patience=30.0):
    """Return the seconds until the last of the replies to our message (a notice), and each reply's kind and text.

    Null, and what there was, where that did not come within `patience`.
    """
    since = ask("GET", V3 + "/sync?timeout=0", token)["next_batch"]
    begun = time.monotonic()
    body = {"msgtype": "m.text", "body": text}
    sent = ask("PUT", f"{V3}/rooms/{quote(room)}/send/m.room.message/{time.time_ns()}", token, body)["event_id"]
    replies = []
    while time.monotonic() - begun < patience:
        found = ask("GET", f"{V3}/sync?timeout=500&since={since}", token)
        since = found.get("next_batch", since)
        for event in found.get("rooms", {}).get("join", {}).get(room, {}).get("timeline", {}).get("events", []):
            content = event["content"]
            if content.get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id") == sent:
                replies.append([content["msgtype"], content["body"]])
                if content["msgtype"] == "m.notice":
                    return {"seconds": time.monotonic() - begun, "replies": replies}
    return {"seconds": None, "replies": replies}


def series(token, rooms, count):
    """Return the seconds until each reply, one message at a time, `count` times in all rooms in turn."""
    return [say(token, room, f"turn {number}", 15.0)["seconds"] or 15.0 for number in range(count) for room in rooms]


def burst(token, rooms, count):
    """Return the seconds until each reply, with a message in every room at the same moment, `count` times."""
    found = []
    for number in range(count):
        since = ask("GET", V3 + "/sync?timeout=0", token)["next_batch"]
        texts = {room: f"burst {number} {index} {time.time_ns()}" for index, room in enumerate(rooms)}
        begun, left = time.monotonic(), dict(texts)
        for room, text in texts.items():
            threading.Thread(target=send, args=(token, room, text)).start()
        while left and time.monotonic() - begun < 15.0:
            answer = ask("GET", f"{V3}/sync?timeout=500&since={since}", token)
            since = answer.get("next_batch", since)
            for room, part in answer.get("rooms", {}).get("join", {}).items():
                said = [str(each["content"].get("body")) for each in part.get("timeline", {}).get("events", [])]
                if room in left and any(text.endswith(left[room]) and text != left[room] for text in said):
                    found.append(time.monotonic() - begun)
                    del left[room]
        found += [15.0] * len(left)
    return found


def send(token, room, text):
    path = f"{V3}/rooms/{quote(room)}/send/m.room.message/{time.time_ns()}"
    return ask("PUT", path, token, {"msgtype": "m.text", "body": text})


if __name__ == "__main__":
    commands = {
        "login": login,
        "register": register,
        "registration_token": registration_token,
        "room": room,
        "say": say,
        "tell": tell,
        "series": series,
        "burst": burst,
        "ask": ask,
    }
    print(json.dumps(commands[sys.argv[1]](**json.loads(sys.stdin.read()))))

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


def registration_token(token, **limits):
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
    text = f"{text} {time.time_ns()}"  # a first sync may be an answer of some minutes ago
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
                and text in str(event["content"].get("body"))
            ):
                return {"seconds": time.monotonic() - begun, "text": event["content"].get("body")}
    return {"seconds": None, "text": None}


def many(token, rooms, text, count):
    """Return the seconds until each reply, in all rooms at once, `count` times each."""
    found, guard = {each: [] for each in rooms}, threading.Lock()

    def talk(each):
        for number in range(count):
            answer = say(token, each, f"{text} {number}", 15.0)
            with guard:
                found[each].append(answer["seconds"])

    threads = [threading.Thread(target=talk, args=(each,)) for each in rooms]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[each] for each in rooms]


if __name__ == "__main__":
    commands = {
        "login": login,
        "registration_token": registration_token,
        "room": room,
        "say": say,
        "many": many,
        "ask": ask,
    }
    print(json.dumps(commands[sys.argv[1]](**json.loads(sys.stdin.read()))))

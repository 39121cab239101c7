"""A homeserver and a maubot in memory, as far as the kinds of Matrix ask them; both answer as the real ones do."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httpx

from tests.unit.providers.kinds.fake_session import Call, FakeSession

HOMESERVER = "http://127.0.0.1:8008"
MAUBOT = "http://127.0.0.1:29316"
CONFIG_FILE = "/var/lib/maubot/config/config.yaml"
CONFIG = """
database: sqlite:/var/lib/maubot/bot.db
plugin_databases: {sqlite: /var/lib/maubot/dbs}
plugin_directories: {upload: /var/lib/maubot/plugins}
server: {hostname: 127.0.0.1, port: 29316, unshared_secret: the-key}
"""
TOKEN_STAGE, DUMMY_STAGE = "m.login.registration_token", "m.login.dummy"
Json = dict[str, Any]


def answer(status: int, **body: Any) -> httpx.Response:
    return httpx.Response(status, json=body)


@dataclass
class MemoryHomeserver:
    """Registers by `flows`; `limited` is how many requests it puts off first."""

    flows: list[list[str]] = field(default_factory=lambda: [[TOKEN_STAGE, DUMMY_STAGE]])
    valid_token: str = "good"
    asks_validity: bool = True
    names_device: bool = True
    says_taken: bool = True
    limited: int = 0
    passwords: dict[str, str] = field(default_factory=dict)
    rooms: list[str] = field(default_factory=list)
    """Where every account is."""
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Access token -> user and device."""
    sent: list[str] = field(default_factory=list)
    """Stages in the order in which they were done."""
    requests: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path, body = request.url.path, json.loads(request.content or b"{}")
        self.requests.append((request.method, path))
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.limited:
            self.limited -= 1
            return answer(429, errcode="M_LIMIT_EXCEEDED", error="Too Many Requests", retry_after_ms=5)
        match path.removeprefix("/_matrix/client/v3"):
            case "/register/available" if not self.says_taken:
                return answer(404, errcode="M_UNRECOGNIZED")
            case "/register/available":
                user = request.url.params["username"]
                return answer(400, errcode="M_USER_IN_USE") if user in self.passwords else answer(200, available=True)
            case "/register":
                return self._register(body)
            case "/login":
                return self._login(body)
            case "/account/whoami" if token in self.tokens:
                user, device = self.tokens[token]
                return answer(200, user_id=f"@{user}:lab.test", **({"device_id": device} if self.names_device else {}))
            case "/joined_rooms" if token in self.tokens:
                return answer(200, joined_rooms=self.rooms)
            case "/logout" if token in self.tokens:
                del self.tokens[token]
                return answer(200)
            case "/account/deactivate" if token in self.tokens:
                return self._deactivate(token, body)
            case "/account/whoami" | "/logout" | "/account/deactivate":
                return answer(401, errcode="M_UNKNOWN_TOKEN", error="Invalid access token")
            case _ if path.endswith("/validity") and self.asks_validity:
                return answer(200, valid=request.url.params["token"] == self.valid_token)
            case _:
                return answer(404, errcode="M_UNRECOGNIZED")

    def _register(self, body: Json) -> httpx.Response:
        user, auth = body["username"], body.get("auth")
        if user in self.passwords:
            return answer(400, errcode="M_USER_IN_USE", error="User ID already taken")
        if auth is None:
            self.sent = []
        elif auth["type"] == TOKEN_STAGE and auth["token"] != self.valid_token:
            return answer(401, errcode="M_UNAUTHORIZED", error="Invalid registration token", **self._state())
        else:
            self.sent.append(auth["type"])
        if self.sent not in self.flows:
            return answer(401, **self._state())
        self.passwords[user] = body["password"]
        return self._logged_in(user, body["device_id"])

    def _state(self) -> Json:
        return {"session": "s1", "flows": [{"stages": flow} for flow in self.flows], "completed": self.sent}

    def _login(self, body: Json) -> httpx.Response:
        user = body["identifier"]["user"]
        if self.passwords.get(user) != body["password"]:
            return answer(403, errcode="M_FORBIDDEN", error="Invalid username or password")
        return self._logged_in(user, body["device_id"])

    def _logged_in(self, user: str, device: str) -> httpx.Response:
        self.tokens = {token: found for token, found in self.tokens.items() if found != (user, device)}
        token = f"token-{len(self.requests)}-{user}"
        self.tokens[token] = (user, device)
        return answer(200, user_id=f"@{user}:lab.test", device_id=device, access_token=token)

    def _deactivate(self, token: str, body: Json) -> httpx.Response:
        user, _ = self.tokens[token]
        if body.get("auth", {}).get("password") != self.passwords[user]:
            return answer(401, session="s2", flows=[{"stages": ["m.login.password"]}])
        self.passwords[user] = ""
        del self.tokens[token]
        return answer(200)


@dataclass
class MemoryMaubot:
    """Knows the config keys `knows`; an instance whose config has `broken: true` does not start."""

    session: FakeSession
    homeserver: MemoryHomeserver
    knows: tuple[str, ...] = ("prefix", "limits", "broken")
    crashes_on: bytes = b""
    """What of an archive it neither loads nor refuses, as the real one does with what Python can't compile."""
    clients: dict[str, Json] = field(default_factory=dict)
    instances: dict[str, Json] = field(default_factory=dict)
    plugins: dict[str, Json] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    features: dict[str, bool] = field(default_factory=lambda: {"log": True})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = unquote(request.url.path).removeprefix("/_matrix/maubot/v1")
        if path == "/auth/login":
            ok = json.loads(request.content) == {"secret": "the-key"}
            return answer(200, token="t") if ok else answer(401, errcode="invalid_auth", error="Invalid")
        if path == "/features":
            return answer(200, **self.features)
        if path == "/_matrix/maubot/":
            return httpx.Response(200, text="<title>Maubot Manager</title>")
        _, kind, name = path.split("/", 2)
        store = getattr(self, f"{kind}s")
        if request.method == "GET":
            return answer(200, **store[name]) if name in store else answer(404, errcode=f"{kind}_not_found")
        self.changes.append(f"{request.method} {kind} {name}")
        if request.method == "DELETE":
            used = any(name in (each["type"], each["primary_user"]) for each in self.instances.values())
            if kind != "instance" and used:
                return answer(412, errcode=f"{kind}_in_use", error="Plugin instances of this type still exist")
            if kind == "instance":  # only the file itself, as the real one does
                self.session.files.pop(f"/var/lib/maubot/dbs/{name}.db", None)
            store.pop(name, None)
            return httpx.Response(204)
        if kind == "plugin":
            return self._plugin(name, request.content)
        body = json.loads(request.content)
        return self._client(name, body) if kind == "client" else self._instance(name, body)

    def _plugin(self, name: str, content: bytes) -> httpx.Response:
        path = f"/var/lib/maubot/plugins/{name}.mbp"
        if self.crashes_on and self.crashes_on in content:
            self.session.put(path if name in self.plugins else f"/var/lib/maubot/plugins/{name}-v1.2.mbp", content)
            return answer(500, errcode="internal_server_error", error="Internal server error")
        self.session.put(path, content)
        self.plugins[name] = {"id": name, "version": "1.0.0", "path": path}
        return answer(201, **self.plugins[name])

    def _client(self, name: str, body: Json) -> httpx.Response:
        token = body.get("access_token")
        if token is not None and token not in self.homeserver.tokens:
            return answer(400, errcode="bad_client_access_token", error="Invalid access token")
        fresh = {"started": False, "displayname": "disable", "avatar_url": "disable"}
        client = self.clients.setdefault(name, fresh)
        if "started" in body and (not body["started"] or client["enabled"]):
            client["started"] = body["started"]
        elif client is fresh:
            client["started"] = body.get("enabled", True)
        client |= {key: value for key, value in body.items() if key != "started"}
        return answer(200, **client)

    def _instance(self, name: str, body: Json) -> httpx.Response:
        from providers.kinds.matrix.config_text import dumps, loads

        if body.get("type", "known") not in (*self.plugins, "known"):
            return answer(404, errcode="plugin_type_not_found", error="Given plugin type not found")
        fresh: Json = {"started": False, "enabled": True, "config": ""}
        instance = self.instances.setdefault(name, fresh)
        wants = body.get("started", instance is fresh)
        instance |= {key: value for key, value in body.items() if key != "started"}
        if wants and instance["enabled"]:
            config = loads(instance["config"])
            instance["config"] = dumps({"prefix": "echo: ", **{k: v for k, v in config.items() if k in self.knows}})
            instance["started"] = instance["enabled"] = not config.get("broken", False)
            self.session.put(f"/var/lib/maubot/dbs/{name}.db", "data")
            self.session.put(f"/var/lib/maubot/dbs/{name}.db-wal", "more data")
        elif "started" in body:
            instance["started"] = False
        return answer(200, **instance)


@dataclass
class Servers:
    """Both, and the machine that they are on."""

    session: FakeSession = field(default_factory=FakeSession)
    homeserver: MemoryHomeserver = field(default_factory=MemoryHomeserver)
    maubot: MemoryMaubot = field(init=False)

    def __post_init__(self) -> None:
        self.maubot = MemoryMaubot(self.session, self.homeserver)
        self.session.web = {HOMESERVER: self.homeserver, MAUBOT: self.maubot}
        self.session.put(CONFIG_FILE, CONFIG)
        self.session.put("/var/lib/maubot/plugins")
        self.session.on("mv --", self._move)
        self.session.on("python3 -I", self._python)

    def _python(self, call: Call) -> str:
        """Run a program in the Python of the tests, as the machine would in its own."""
        command = [sys.executable, "-I", "-c", call.script or ""]
        return subprocess.run(command, input=call.stdin, capture_output=True, check=True).stdout.decode()

    def _move(self, call: Call) -> str:
        source, target = call.argv[-2:]
        self.session.files[target] = self.session.files.pop(source)
        return ""

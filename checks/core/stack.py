"""Does the core stack work? The independent tests of its task list, asked on the machine itself.

`deployed` is the stack's output `core`: names of the containers, their limits, and where the pages are. Every function
takes a session on the machine and changes nothing there. Secrets are compared on the machine and never leave it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from checks.core.codes import Code
from checks.result import CheckResult, Story
from components.core.deployed import DeployedCore
from providers.machine.session import Session
from toolchain.waiting import as_it_is, wait_until_async

MAKE_UP = "Run `make up` again"
LOGS = "See `docker logs` of the container"
IDLE_LIMIT = 2 * 1024**3
"""SC-006: bytes of memory that all containers together may use at idle."""
TEST_SECONDS = 5.0
HEALTH_SECONDS = 2.0
UNPROCESSABLE = 422
MISDIRECTED = 421
"""The status for who asks under another name (RFC 9110, 15.5.20)."""
SETTINGS = ("llm_endpoint", "llm_model", "event_date", "event_location", "event_offerings")
"""The settings of the project's data model."""
POLL_SECONDS = 1.0
TIMEOUT = 60.0  # seconds

_SEEN = '''\
import base64, http.cookiejar, json, re, subprocess, sys, time, urllib.error, urllib.request as request
names, url = json.loads(sys.argv[1]), sys.argv[2]
def docker(*words):
    return subprocess.run(["docker", *words], capture_output=True, text=True, timeout=30)
opener = request.build_opener(
    request.ProxyHandler({}), request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
def ask(path, data=None, headers={}):
    begun = time.monotonic()
    try:
        with opener.open(request.Request(url + path, data, {**access, **headers}), timeout=10) as answer:
            status, text = answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode(errors="replace")
    except OSError as error:
        status, text = 0, str(error)
    return {"status": status, "text": text, "seconds": round(time.monotonic() - begun, 2)}
def size(text):
    number, unit = re.match(r"([0-9.]+)([A-Za-z]*)", text.split("/")[0].strip()).groups()
    return int(float(number) * {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}.get(unit, 1))
seen, access = {"containers": {}, "pages": {}}, {}
for service, name in names.items():
    shown = docker("inspect", name)
    if shown.returncode:
        continue
    shown = json.loads(shown.stdout)[0]
    environment = dict(line.split("=", 1) for line in shown["Config"].get("Env") or [] if "=" in line)
    secrets = [value for key, value in environment.items()
               if value and re.search("PASSWORD|SECRET|TOKEN", key.upper())]
    if environment.get("ACCESS_PASSWORD"):
        word = base64.b64encode(("check:" + environment["ACCESS_PASSWORD"]).encode()).decode()
        access = {"Authorization": "Basic " + word}
    logs = docker("logs", "--tail", "2000", name)
    text = logs.stdout + logs.stderr
    lines = [line for line in logs.stdout.split("\\n") if line.strip()]
    bad = []
    for line in lines:
        try:
            fields = json.loads(line)
            if not {"timestamp", "level", "service", "event"} <= fields.keys():
                bad.append(line)
        except (ValueError, AttributeError):
            bad.append(line)
    used = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", name)
    seen["containers"][service] = {
        "running": shown["State"]["Running"],
        "health": (shown["State"].get("Health") or {}).get("Status", "none"),
        "memory": shown["HostConfig"]["Memory"],
        "volumes": [mount.get("Name") for mount in shown["Mounts"] if mount["Type"] == "volume"],
        "used": size(used.stdout) if used.returncode == 0 and used.stdout.strip() else 0,
        "lines": len(lines),
        "not_json": len(bad),
        "leaks": sum(secret in text for secret in secrets),
        "secrets": len(secrets),
    }
for path in ("/health", "/health/ready", "/", "/config"):
    seen["pages"][path] = ask(path)
seen["stranger"] = ask("/config", headers={"Host": "not-ours.invalid"})
token = re.search('name="csrf_token" value="([0-9a-f]+)"', seen["pages"]["/config"]["text"])
given = {"X-CSRF-Token": token[1] if token else "", "Accept": "application/json"}
seen["tests"] = {name: ask("/config/test/" + name, b"", given) for name in ("db", "llm", "mail")}
seen["json"] = ask("/config", headers={"Accept": "application/json"})
seen["unknown"] = ask("/config", b'{"no_such_setting": "x"}', {"Content-Type": "application/json"})
seen["durable"] = docker("exec", names["postgres"], "sh", "-c", """\
psql --no-psqlrc -U "$POSTGRES_USER" -d "$POSTGRES_DB" -At -c 'SHOW fsync' -c 'SHOW full_page_writes' \
    -c 'SHOW synchronous_commit'""").stdout.split()
for page in ("/", "/config"):
    seen["pages"][page]["text"] = seen["pages"][page]["text"][:20000]
json.dump(seen, sys.stdout)
'''

Seen = Mapping[str, Any]


async def probe(session: Session, deployed: DeployedCore) -> Seen:
    """Return everything that the checks need, in one go.

    Raises CommandFailed where the machine has no Python or Docker.
    """
    names = {service: entry.name for service, entry in deployed.containers.items()}
    result = await session.run("python3", "-c", _SEEN, json.dumps(names), deployed.url, check=True, timeout=TIMEOUT)
    return cast(Seen, json.loads(result.stdout))


async def _settled(session: Session, deployed: DeployedCore) -> Seen:
    """Return what is seen once every container is healthy, or the time for a start is over."""

    def healthy(seen: Seen) -> bool:
        states = [entry["health"] for entry in seen["containers"].values()]
        return states == ["healthy"] * len(deployed.containers)

    return await wait_until_async(
        lambda: probe(session, deployed), deployed.start_timeout, as_it_is, good=healthy, pause=POLL_SECONDS
    )


async def check_core(session: Session, deployed: DeployedCore) -> list[CheckResult]:
    """US1 to US3 of the task list, and SC-006."""
    seen = await _settled(session, deployed)
    return [*_us1(deployed, seen), *_us2(deployed, seen), *_us3(seen), _idle_memory(seen)]


def _us1(deployed: DeployedCore, seen: Seen) -> list[CheckResult]:
    """US1: the stack runs."""
    story, found = Story("US1", Code.NOT_RUNNING), seen["containers"]
    rows: list[CheckResult] = []
    for service, wanted in deployed.containers.items():
        entry = found.get(service)
        state = entry["health"] if entry else "not there"
        rows.append(story.verdict(state == "healthy", f"{service} runs and is healthy", state, LOGS))
        if entry:
            limit = f"{entry['memory'] // 2**20} MiB"
            right = entry["memory"] == wanted.memory
            rows.append(story.verdict(right, f"{service} has its memory limit", limit, MAKE_UP))
    health, ready = seen["pages"]["/health"], seen["pages"]["/health/ready"]
    try:
        checks = json.loads(health["text"])["checks"]
        database = checks["db"]
        shown = ", ".join(f"{name}: {status}" for name, status in checks.items())
    except (ValueError, KeyError, TypeError):
        database, shown = "", f"{health['status']} {health['text'][:80]}"
    rows.append(story.verdict(health["status"] == 200 and database == "ok", "/health says db: ok", shown, LOGS))
    rows.append(story.verdict(ready["status"] == 200, "it is ready for requests", f"{ready['status']}", LOGS))
    told = f"in {health['seconds']} s"
    quick = health["status"] == 200 and health["seconds"] < HEALTH_SECONDS
    rows.append(story.verdict(quick, "/health answers within 2 seconds", told, LOGS))
    stranger = seen["stranger"]["status"]
    question = "it answers to no name but its own"
    rows.append(story.verdict(stranger == MISDIRECTED, question, f"{stranger} for another", MAKE_UP))
    page = seen["pages"]["/"]
    good = page["status"] == 200 and "health-status" in page["text"]
    rows.append(story.verdict(good, "the dashboard is there", f"{page['status']} in {page['seconds']} s", LOGS))
    return rows


def _us2(deployed: DeployedCore, seen: Seen) -> list[CheckResult]:
    """US2: it can be configured, and what is saved stays."""
    story = Story("US2", Code.CONFIGURATION)
    page = seen["pages"]["/config"]
    labelled = all(f'name="{key}"' in page["text"] for key in SETTINGS)
    good = page["status"] == 200 and labelled
    rows = [story.verdict(good, "the page Config asks for every setting", f"{page['status']}", LOGS)]
    tests = seen["tests"]
    slow = [name for name, test in tests.items() if test["status"] != 200 or test["seconds"] >= TEST_SECONDS]
    answers = {name: _status_of(test["text"]) for name, test in tests.items()}
    told = ", ".join(
        f"{name}: {answers[name] or test['status']} in {test['seconds']} s" for name, test in tests.items()
    )
    quick = tests and not slow and answers["db"] == "ok" and all(answers.values())
    rows.append(story.verdict(bool(quick), "a connection test answers within 5 seconds", told, LOGS))
    written = seen["json"]
    try:
        known = json.loads(written["text"]).keys() if written["status"] == 200 else set[str]()
    except (ValueError, AttributeError):
        known = set[str]()
    lacking = [key for key in SETTINGS if key not in known]
    told = f"{written['status']}, without {', '.join(lacking)}" if lacking else "all of them"
    rows.append(story.verdict(not lacking, "a program is told every setting as JSON", told, LOGS))
    unknown = seen["unknown"]["status"]
    rows.append(story.verdict(unknown == UNPROCESSABLE, "a setting that there is not is refused", f"{unknown}", LOGS))
    told = ", ".join(seen["durable"]) or "the database did not say"
    durable = seen["durable"] == ["on", "on", "on"]
    rows.append(story.verdict(durable, "what is saved is on the disk (fsync)", told, MAKE_UP))
    volumes = seen["containers"].get("postgres", {}).get("volumes", [])
    volume = f"{deployed.name}_postgres_data"
    rows.append(story.verdict(volume in volumes, "settings outlive the containers", ", ".join(volumes), MAKE_UP))
    return rows


def _status_of(text: str) -> str:
    """Return the status that a connection test told; empty where it told none."""
    try:
        return str(json.loads(text)["status"])
    except (ValueError, KeyError, TypeError):
        return ""


def _us3(seen: Seen) -> list[CheckResult]:
    """US3: structured logs without secrets."""
    story, backend = Story("US3", Code.CONFIGURATION), seen["containers"].get("backend")
    if not backend:
        return [story.failed("logs are JSON with the four fields", "there is no backend", MAKE_UP)]
    good = backend["lines"] > 0 and backend["not_json"] == 0
    told = f"{backend['lines']} lines, {backend['not_json']} of them not"
    rows = [story.verdict(good, "every log line is JSON with timestamp, level, service and event", told, LOGS)]
    leaks = sum(entry["leaks"] for entry in seen["containers"].values())
    known = sum(entry["secrets"] for entry in seen["containers"].values())
    told = f"{leaks} of {known} secrets found in the logs"
    rows.append(story.verdict(leaks == 0 and known > 0, "no secret is in any log", told, "Change that secret"))
    return rows


def _idle_memory(seen: Seen) -> CheckResult:
    """SC-006."""
    used = {service: entry["used"] for service, entry in seen["containers"].items()}
    told = ", ".join(f"{service} {size // 2**20} MiB" for service, size in used.items())
    question = "the containers use 2 GiB at most"
    good = 0 < sum(used.values()) <= IDLE_LIMIT
    return Story("SC-006", Code.CONFIGURATION).verdict(good, question, told, "Turn `ai` off, or give it less memory")

"""How well maubot runs: its service as the task list wants it, its watch, and the rest of the machine.

Every function takes a session on the machine, changes nothing there, and may be called by tests.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any, cast

import yaml

from checks.maubot.codes import Code
from checks.result import CheckResult, Story
from components.maubot.deployed import DeployedMaubot
from components.maubot.nix_phases import PHASE_LINE, PHASES
from components.maubot.units import KEY_FILE
from providers.machine.session import Session
from toolchain.lines import lines_in

MAKE_UP = "Run `make up` again"
EXPOSURE = 2.0
"""The highest mark of `systemd-analyze security` that is taken."""
KEY_BYTES = 48
NIXOS_SECRETS = ("/run/secrets/maubot-admin-password", "/run/secrets/maubot-secret-key")
STALE_SECONDS = 900
UPTIME_DAYS, UPTIME_SHARE = 7, 0.99
BACKUP_HOURS = 26


async def check_service(session: Session, deployed: DeployedMaubot) -> list[CheckResult]:
    """T005-T017, FR: the unit, its confinement, its configuration, where it listens, and the tokens' folder."""
    story = Story("US1", Code.CONFIGURATION)
    show, exposed, listens, stat = await asyncio.gather(
        session.run(
            *("systemctl", "show", "maubot.service"),
            "--property=ActiveState,SubState,UnitFileState,User,LoadCredential,NRestarts",
            check=False,
        ),
        session.run("systemd-analyze", "security", "--no-pager", "maubot.service", check=False),
        session.run("ss", "--listening", "--tcp", "--numeric", "--no-header", f"sport = :{deployed.port}", check=False),
        session.stat(deployed.config_file, content=True),
    )
    unit = dict(line.split("=", 1) for line in lines_in(show.stdout) if "=" in line)
    active = unit.get("ActiveState") == "active"
    rows = [
        Story("US1", Code.NOT_RUNNING).verdict(
            active,
            "maubot runs, and starts at boot (T016, T034)",
            f"{unit.get('ActiveState')}, {unit.get('UnitFileState')}",
            f"{MAKE_UP}; its log: journalctl -u maubot -n 50",
        ),
        story.verdict(
            unit.get("User") not in (None, "", "root"),
            "it runs as an account of its own",
            f"User={unit.get('User')}",
            MAKE_UP,
        ),
    ]
    mark = re.search(r"exposure level for \S+: ([0-9.]+)", exposed.stdout)
    rows.append(
        story.verdict(
            mark is not None and float(mark[1]) <= EXPOSURE,
            f"the unit is confined (systemd-analyze security: {EXPOSURE} at most)",
            mark[1] if mark else "no mark was given",
            MAKE_UP,
        )
    )
    places = [line.split()[3] for line in lines_in(listens.stdout) if len(line.split()) > 3]
    rows.append(
        story.verdict(
            places == [f"127.0.0.1:{deployed.port}"],
            f"port {deployed.port} is open on 127.0.0.1 and nowhere else",
            ", ".join(places) or "nothing listens",
            MAKE_UP,
        )
    )
    rows += _configuration(story, deployed, None if stat is None else stat.content, stat and stat.mode)
    return [*rows, await _secrets(session, story, deployed), *await _phase(session, story, deployed)]


async def _secrets(session: Session, story: Story, deployed: DeployedMaubot) -> CheckResult:
    """T013f: the files of the secrets are there, and root alone may read them."""
    paths = NIXOS_SECRETS if deployed.flake else (KEY_FILE,)
    found = await asyncio.gather(*(session.stat(path) for path in paths))
    seen = [
        f"{path}: {stat.mode} {stat.owner}" if stat else f"{path}: not there"
        for path, stat in zip(paths, found, strict=True)
    ]
    right = all(stat is not None and (stat.mode, stat.owner) == ("0400", "root") for stat in found)
    return story.verdict(right, "its secrets are files that root alone may read (T013f)", ", ".join(seen), MAKE_UP)


async def _phase(session: Session, story: Story, deployed: DeployedMaubot) -> list[CheckResult]:
    """T013a, T013e, T014, T015: on NixOS, the last phase has been rolled out."""
    if deployed.flake is None:
        return []
    found = await session.stat(f"{deployed.flake}/hearth-maubot.nix", content=True)
    line = re.search(rf"(?m)^{PHASE_LINE}(.*)$", (found.content or b"").decode() if found else "")
    question = "the rollout has reached its last phase (T013a, T013e, T014, T015)"
    return [story.verdict(line is not None and line[1] == PHASES[-1], question, line[1] if line else "none", MAKE_UP)]


def _configuration(
    story: Story, deployed: DeployedMaubot, content: bytes | None, mode: str | None
) -> list[CheckResult]:
    """T006-T010: what its configuration must and must not hold. Shows no secret."""
    try:
        config: Any = yaml.safe_load(content or b"")
        server, admins = config["server"], config["admins"]
        homeservers: dict[str, Any] = dict(config["homeservers"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        return [story.failed("its configuration can be read", f"{deployed.config_file} is none", MAKE_UP)]
    rows = [
        story.verdict(
            mode is not None and mode[-1] == "0",
            "its configuration, which holds secrets, is closed to others",
            f"mode {mode}",
            MAKE_UP,
        )
    ]
    hashes = [str(value) for name, value in admins.items() if name != "root"]
    good = bool(hashes) and all(re.match(r"\$2[aby]\$(1[2-9]|2\d|3[01])\$", value) for value in hashes)
    rows.append(
        story.verdict(good, "admins' passwords are bcrypt of cost 12 or more", f"{len(hashes)} admins", MAKE_UP)
    )
    size = len(str(server.get("unshared_secret", "")).encode())
    rows.append(story.verdict(size >= KEY_BYTES, f"its key has {KEY_BYTES} bytes or more", f"{size} bytes", MAKE_UP))
    known = [str(cast(dict[str, Any], each or {}).get("url", "")) for each in homeservers.values()]
    seen = f"{', '.join(known) or 'no homeserver'}, port {server.get('port')}"
    right = known == [deployed.homeserver] and server.get("port") == deployed.port
    rows.append(
        story.verdict(right, "it names the homeserver and the port of the settings (T006, T013)", seen, MAKE_UP)
    )
    secrets = [name for name, each in homeservers.items() if cast(dict[str, Any], each or {}).get("secret")]
    rows.append(
        story.verdict(
            not secrets and "registration_secrets" not in config,
            "it holds no registration secret (T007)",
            f"one for {', '.join(secrets)}" if secrets else "none",
            MAKE_UP,
        )
    )
    return rows


async def check_reliability(session: Session, deployed: DeployedMaubot) -> list[CheckResult]:
    """US3, T034-T038: the timers, what they saw, the backup, the uptime."""
    story = Story("US3", Code.NOT_RUNNING)
    timers = ("maubot-health.timer", "maubot-health-restart.timer")
    states, state, record = await asyncio.gather(
        session.run("systemctl", "is-active", *timers, check=False),
        session.stat(f"{deployed.health_folder}/state.json", content=True),
        session.stat(f"{deployed.health_folder}/record.json", content=True),
    )
    found = dict(zip(timers, states.stdout.split(), strict=False))
    late = [f"{timer} is {found.get(timer, 'not there')}" for timer in timers if found.get(timer) != "active"]
    rows = [
        story.verdict(not late, "the health timers are active (T036)", "; ".join(late) or ", ".join(timers), MAKE_UP)
    ]
    seen: dict[str, Any] = json.loads(state.content or b"{}") if state else {}
    age = time.time() - float(seen.get("at", 0))
    question = "the last look found every bot hearing its rooms (T037)"
    if not seen or age > STALE_SECONDS:
        rows.append(story.failed(question, "nobody has looked for a long time", MAKE_UP))
    else:
        wrong: dict[str, str] = seen["wrong"]
        told = "; ".join(wrong.values())
        rows.append(story.verdict(not wrong, question, told or f"{age:.0f} s ago", "journalctl -u maubot-health -n 20"))
    rows.append(_uptime(story, json.loads(record.content or b"{}") if record else {}))
    if deployed.backup is not None:
        rows.append(await _backup(session, deployed.backup))
    return rows


def _uptime(story: Story, record: dict[str, list[int]]) -> CheckResult:
    """SC-003, from the health timer's own record."""
    question = f"{UPTIME_SHARE:.0%} of all looks in {UPTIME_DAYS} days found it well (T038, SC-003)"
    days = sorted(record.items())[-UPTIME_DAYS:]
    if len(days) < UPTIME_DAYS:
        return story.skipped(question, f"only days of operation tell: there are records of {len(days)} so far")
    good, every = sum(each[0] for _, each in days), sum(each[1] for _, each in days)
    share = good / every if every else 0.0
    return story.verdict(share >= UPTIME_SHARE, question, f"{share:.2%} of {every}", "journalctl -u maubot-health")


async def _backup(session: Session, folder: str) -> CheckResult:
    story = Story("US3", Code.CONFIGURATION)
    question = "last night's backup is there"
    found = await session.stat(folder, entries=True)
    names = [name for name in (found.entries if found and found.entries else ()) if re.fullmatch(r"[\dT-]{17}", name)]
    if not names:
        timer = await session.run("systemctl", "is-active", "maubot-backup.timer", check=False)
        if timer.ok:
            return story.skipped(question, "the first night is still to come; the timer is active")
        return story.failed(question, "there is none, and its timer is not active", MAKE_UP)
    age = (time.time() - time.mktime(time.strptime(max(names), "%Y-%m-%dT%H%M%S"))) / 3600
    return story.verdict(age < BACKUP_HOURS, question, f"{max(names)}, {age:.0f} h ago", "journalctl -u maubot-backup")


async def check_others(session: Session, deployed: DeployedMaubot) -> list[CheckResult]:
    """T013c, T017a: the other services of the machine are well."""
    story = Story("US1", Code.NOT_RUNNING)
    rows: list[CheckResult] = []
    shown = await asyncio.gather(
        *(
            session.run("systemctl", "show", f"{name}.service", "--property=LoadState,ActiveState", check=False)
            for name in deployed.services
        )
    )
    for name, result in zip(deployed.services, shown, strict=True):
        unit = dict(line.split("=", 1) for line in lines_in(result.stdout) if "=" in line)
        question = f"{name} is well (T013b, T013c, T013g, T017a)"
        if unit.get("LoadState") != "loaded":
            rows.append(story.skipped(question, "it is not on this machine"))
        else:
            state = unit.get("ActiveState", "")
            rows.append(story.verdict(state == "active", question, state, f"systemctl status {name}"))
    return rows

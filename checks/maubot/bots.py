"""Are maubot's bots there, logged in and at work? Asked of maubot and of the homeserver, over the SSH connection."""

from __future__ import annotations

import time
from collections.abc import Sequence

import httpx

from checks.maubot.codes import Code
from checks.result import CheckResult, Status, Story
from components.maubot.deployed import DeployedBot, DeployedMaubot
from providers.errors import HearthError
from providers.kinds.matrix.config_text import loads
from providers.kinds.matrix.homeserver import V3, Homeserver
from providers.kinds.matrix.maubot_api import MaubotApi
from providers.machine.session import Session

REPAIR = "Run `pulumi up --refresh`"
PAGE_SECONDS = 2.0


async def check_bots(session: Session, deployed: DeployedMaubot) -> list[CheckResult]:
    """US1, US2, US4: the web page, each bot's account and client, each instance."""
    rows = [await _page(session, deployed)]
    story = Story("US2", Code.NOT_RUNNING)
    entered = "maubot lets us in (T019)"
    try:
        async with MaubotApi(session, deployed.config_file) as maubot:
            rows.append(story.passed(entered, "with the key of its configuration"))
            rows += [await _client(session, maubot, user) for user, bot in deployed.bots.items() if bot.enabled]
            rows += [await _in_rooms(session, maubot, user, bot) for user, bot in deployed.bots.items() if bot.rooms]
            plugins = dict.fromkeys(wish.plugin for wish in deployed.instances.values())
            rows += [await _plugin(maubot, plugin) for plugin in plugins]
            rows += await _instances(maubot, deployed)
            rows.append(await _log(maubot))
    except HearthError as error:
        rows.append(story.failed(entered, error.summary, error.remedy or REPAIR))
    rows += _several(deployed, [row for row in rows if row.story == "US2" and row.status is Status.FAIL])
    return rows


async def _instances(maubot: MaubotApi, deployed: DeployedMaubot) -> list[CheckResult]:
    """T022, T024, T025, T027, T031: each instance runs as wished, and answers in the rooms of its settings alone."""
    story = Story("US2", Code.NOT_RUNNING)
    rows: list[CheckResult] = []
    subscribed: dict[str, set[str]] = {}
    for name, wish in deployed.instances.items():
        found = await maubot.get("instance", name) or {}
        seen = f"type {found.get('type')}, by {found.get('primary_user')}, started: {found.get('started')}"
        right = found.get("type") == wish.plugin and found.get("primary_user") == wish.user_id
        question = f"the instance {name} is there, and runs as wished (T022, T030, T041)"
        rows.append(story.verdict(right and found.get("started") == wish.enabled, question, seen, REPAIR))
        rooms = loads(str(found.get("config") or "")).get("room_subscriptions")
        subscribed.setdefault(wish.user_id, set()).update(map(str, rooms or []))
    for user, bot in deployed.bots.items():
        if bot.instances:
            more, fewer = subscribed[user] - set(bot.rooms), set(bot.rooms) - subscribed[user]
            seen = (
                f"{len(bot.rooms)} rooms" if not more | fewer else f"too many: {sorted(more)}, missing: {sorted(fewer)}"
            )
            question = f"{user} is subscribed to the rooms of its settings, and to no other (T024, T025, T027, T031)"
            rows.append(story.verdict(not more | fewer, question, seen, REPAIR))
    return rows


async def _plugin(maubot: MaubotApi, plugin: str) -> CheckResult:
    """T021, T029, T040: a plugin of the settings is there."""
    found = await maubot.get("plugin", plugin)
    seen = f"version {found.get('version')}" if found else "maubot has no such plugin"
    question = f"the plugin {plugin} is uploaded (T021, T029, T040)"
    return Story("US2", Code.NOT_RUNNING).verdict(found is not None, question, seen, REPAIR)


async def _log(maubot: MaubotApi) -> CheckResult:
    """T033: the web page shows the log."""
    _, found = await maubot.ask("GET", "/features")
    question, seen = "the web page shows the log (T033)", f"log: {found.get('log')}"
    return Story("US2", Code.CONFIGURATION).verdict(found.get("log") is True, question, seen, "Run `make up` again")


def _several(deployed: DeployedMaubot, failed: Sequence[CheckResult]) -> list[CheckResult]:
    """T039, T042, SC-002: more than one plugin, and three instances side by side."""
    story = Story("US4", Code.NOT_RUNNING)
    rows: list[CheckResult] = []
    running = [instance for instance in deployed.instances.values() if instance.enabled]
    for count, enough, question, what in (
        (len({each.plugin for each in running}), 2, "several kinds of bots run side by side (T039)", "plugins"),
        (len(running), 3, "several instances run side by side (T042, SC-002)", "instances"),
    ):
        if count < enough:
            rows.append(story.skipped(question, f"the settings describe {count} {what}; {enough} tell"))
        else:
            rows.append(story.verdict(not failed, question, f"{count} {what}", REPAIR))
    return rows


async def _in_rooms(session: Session, maubot: MaubotApi, user: str, bot: DeployedBot) -> CheckResult:
    """T023: the bot was invited to its rooms, and is in them."""
    story = Story("US1", Code.ACCOUNT)
    question = f"{user} is in the rooms of its settings (T023)"
    remedy = f"Invite it: /invite {user}"
    found = await maubot.get("client", user)
    if found is None:
        return story.failed(question, "maubot has no such client", REPAIR)
    address = str(found["homeserver"]).rstrip("/")
    try:
        async with Homeserver(session, await session.http(address), address) as homeserver:
            _, answer = await homeserver.ask("GET", f"{V3}/joined_rooms", token=str(found["access_token"]))
    except HearthError as error:
        return story.failed(question, error.summary, "See whether the homeserver runs")
    missing = sorted(set(bot.rooms) - set(map(str, answer.get("joined_rooms", []))))
    return story.verdict(not missing, question, f"not in {', '.join(missing)}" if missing else "all", remedy)


async def _page(session: Session, deployed: DeployedMaubot) -> CheckResult:
    """T018, T028, SC-007: the web page comes quickly, through the same way as an operator's tunnel."""
    story = Story("US2", Code.NOT_RUNNING)
    question = f"the web page answers within {PAGE_SECONDS:.0f} s (T018, T028, SC-007)"
    begun = time.monotonic()
    try:
        client = await session.http(f"http://127.0.0.1:{deployed.port}")
        async with client:
            answer = await client.get("/_matrix/maubot/", follow_redirects=True)
    except (HearthError, httpx.HTTPError) as error:
        return story.failed(question, str(error), "Run `make up` again")
    seconds = time.monotonic() - begun
    right = answer.status_code == 200 and "maubot" in answer.text.lower() and seconds < PAGE_SECONDS
    return story.verdict(right, question, f"{answer.status_code} after {seconds:.2f} s", "journalctl -u maubot -n 50")


async def _client(session: Session, maubot: MaubotApi, user: str) -> CheckResult:
    """T020, T032, T035: the client runs, and its token is good, as the homeserver says."""
    story = Story("US1", Code.ACCOUNT)
    question = f"{user} is logged in and runs (T020, T032, T035)"
    found = await maubot.get("client", user)
    if found is None:
        return story.failed(question, "maubot has no such client", REPAIR)
    if not found["started"]:
        return story.failed(question, f"enabled: {found['enabled']}, started: {found['started']}", REPAIR)
    try:
        address = str(found["homeserver"]).rstrip("/")
        async with Homeserver(session, await session.http(address), address) as homeserver:
            login = await homeserver.whoami(str(found["access_token"]))
    except HearthError as error:
        return story.failed(question, error.summary, "See whether the homeserver runs")
    right = login is not None and login.user_id == user
    seen = f"device {login.device_id}" if login else "its token is not good any more"
    return story.verdict(right, question, seen, REPAIR)

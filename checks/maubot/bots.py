"""Are maubot's bots there, logged in and at work? Asked of maubot and of the homeserver, over the SSH connection."""

from __future__ import annotations

import time

import httpx

from checks.maubot.codes import Code
from checks.result import CheckResult, Story
from components.maubot.deployed import DeployedMaubot
from providers.errors import HearthError
from providers.kinds.matrix.homeserver import Homeserver
from providers.kinds.matrix.maubot_api import MaubotApi
from providers.machine.session import Session

REPAIR = "Run `pulumi up --refresh`"
PAGE_SECONDS = 2.0


async def check_bots(session: Session, deployed: DeployedMaubot) -> list[CheckResult]:
    """US1, US2, US4: the web page, each bot's account and client, each instance."""
    rows = [await _page(session, deployed)]
    story = Story("US2", Code.NOT_RUNNING)
    try:
        async with MaubotApi(session, deployed.config_file) as maubot:
            rows += [await _client(session, maubot, user) for user, bot in deployed.bots.items() if bot.enabled]
            for name, wish in deployed.instances.items():
                found = await maubot.get("instance", name) or {}
                seen = f"type {found.get('type')}, by {found.get('primary_user')}, started: {found.get('started')}"
                right = found.get("type") == wish.plugin and found.get("primary_user") == wish.user_id
                question = f"the instance {name} is there, and runs as wished (T022, T030, T041)"
                rows.append(story.verdict(right and found.get("started") == wish.enabled, question, seen, REPAIR))
    except HearthError as error:
        rows.append(story.failed("maubot lets us in (T019)", error.summary, error.remedy or REPAIR))
    running = sum(instance.enabled for instance in deployed.instances.values())
    several = Story("US4", Code.NOT_RUNNING)
    question = "several instances run side by side (T042, SC-002)"
    if running < 3:
        rows.append(several.skipped(question, f"the settings describe {running}; three tell"))
    else:
        failed = [row for row in rows if row.story == "US2" and row.status.value == "FAIL"]
        rows.append(several.verdict(not failed, question, f"{running} instances", REPAIR))
    return rows


async def _page(session: Session, deployed: DeployedMaubot) -> CheckResult:
    """T018, T028, SC-007: the web page comes quickly, through the same way as an operator's tunnel."""
    story = Story("US2", Code.NOT_RUNNING)
    question = f"the web page answers within {PAGE_SECONDS:.0f} s (SC-007)"
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
    question = f"{user} is logged in and runs"
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

"""Units that carry Hearth's own way to the machine: the SSH server, the network. What would close it is refused."""

from __future__ import annotations

import re

from providers.kinds.unit.facts import UnitFacts
from providers.kinds.unit.settings import UnitInputs
from providers.machine.session import Session
from providers.machine.way_in import WayIn, refusal, way_in


async def check_way_in(session: Session, inputs: UnitInputs, facts: UnitFacts, *, changed: bool) -> None:
    """Raise InvalidInput where the wish would close our own way in."""
    stops = inputs.running is False and facts.active
    disables = inputs.enabled is False and bool(facts.enabled)
    restarts = facts.active and inputs.restart_on is not None and not changed
    if inputs.allow_lockout or inputs.user is not None or not (stops or disables or changed or restarts):
        return
    names = {inputs.name, *facts.names}
    if not (stops or disables) and not any(re.match(r"(ssh|sshd|dropbear)[.@]", name) for name in names):
        return  # what a new text or a restart of the network's manager does can't be told beforehand
    way = await way_in(session)
    if not way.account or not way.is_part(names):
        return
    what = f"to {'stop' if stops else 'disable' if disables else 'change'} {inputs.name}"
    if stops or disables:
        raise refusal(session, what, f"Hearth comes in through it, as {way.account}")
    why = await _would_not_serve(session, inputs, way, changed=changed)
    if why:
        raise refusal(session, what, why)


async def _would_not_serve(session: Session, inputs: UnitInputs, way: WayIn, *, changed: bool) -> str:
    """Return why the SSH server would not take us any more, once it has been started anew."""
    text = inputs.text or ""
    if changed and inputs.name.endswith(".socket"):
        ports = re.findall(r"^\s*ListenStream\s*=\s*(?:\S*:)?(\d+)\s*$", text, re.MULTILINE)
        return "" if str(way.port) in ports else f"Hearth comes in by port {way.port}, and it would not listen there"
    if changed and not re.search(r"^\s*ExecStart\s*=.*\b(sshd|dropbear)\b", text, re.MULTILINE):
        return "its text starts no SSH server"
    done = await session.run("sshd", "-T", check=False)
    if done.status == 127:
        return ""
    if not done.ok:
        return f"sshd does not accept its configuration: {done.stderr.strip()}"
    ports = re.findall(r"^port (\d+)$", done.stdout, re.MULTILINE)
    socket = await session.run("systemctl", "is-active", "ssh.socket", check=False)
    if str(way.port) not in ports and not socket.ok:
        return f"Hearth comes in by port {way.port}, and by its configuration sshd would listen at {', '.join(ports)}"
    return ""


async def keeps_way_in(session: Session, inputs: UnitInputs, now: UnitFacts, *, stops: bool) -> bool:
    """Return whether destroy leaves a unit as it is, with a warning, because putting it back would close the way in."""
    if inputs.allow_lockout or inputs.user is not None or not stops:
        return False
    way = await way_in(session)
    if not way.account or not way.is_part({inputs.name, *now.names}):
        return False
    session.warn(
        f"{inputs.name} on {session.machine} stays as it is: Hearth comes in through it, as {way.account}. Log in"
        " another way and put it back by hand, or set allow_lockout before a destroy"
    )
    return True

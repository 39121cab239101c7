"""Texts of one's own, for what has no kind: `apply` makes it so, `check` asks whether it holds, `undo` takes it back.

`check` ends with 0 where it holds; it must change nothing, and is run at every refresh. `apply` is run only where it
does not hold, so a changed `apply` text is run only when `check` fails: let `check` look at what the change is about.
What `check` reads elsewhere, as files that other resources write, goes into `check_on`: an `up` asks the machine only
where an input has changed, so without it a `check` that has become false would wait for a refresh.
`undo` is run on destroy, if `check` did not hold before the resource was created; it must not mind being run twice, or
after an `apply` that stopped half-way. The texts are handed over as files that only their process sees, so
they show in no process list. Not managed: anything that `check` does not look at. Nothing can be imported: a machine
does not know the texts.
"""

from __future__ import annotations

import hashlib
from typing import Annotated

from pydantic import AfterValidator, Field

from providers.errors import CommandFailed
from providers.kind import AbsolutePath, AccountName, Facts, Inputs, Kind
from providers.machine.session import Completed, Session
from toolchain.lines import lines_in


def _one_line(value: str) -> str:
    if not value or len(value) > 100 or not value.isprintable() or value != value.strip():
        raise ValueError("must be 1 to 100 printable characters without spaces around them")
    return value


def _some_text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty; a check that always holds is ':', one that never does is 'false'")
    return value


def _marks(value: list[str] | None) -> list[str] | None:
    """Keep of each long text its digest: whether it changed is all that counts, and the state would hold each twice."""
    return None if value is None else [text if len(text) <= len(_mark("")) else _mark(text) for text in value]


def _mark(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


Text = Annotated[str, AfterValidator(_some_text)]


class ScriptInputs(Inputs):
    name: Annotated[
        str, AfterValidator(_one_line), Field(description="Which script this is on its machine. A change replaces it.")
    ]
    apply: Annotated[Text, Field(description="Makes it so; safe to run twice. Only run where `check` does not hold.")]
    check: Annotated[Text, Field(description="Ends with 0 where it holds; changes nothing.")]
    check_on: Annotated[
        list[str] | None,
        AfterValidator(_marks),
        Field(
            description="What `check` depends on beside its text, as the texts of files that it compares: a change"
            " shows in a preview, and has it asked, and `apply` run where it does not hold, by the `up` without a"
            " refresh. Of a long text the state holds a digest."
        ),
    ] = None
    undo: Annotated[
        Text | None, Field(description="Takes it back on destroy, where it did not hold before; safe to run twice.")
    ] = None
    interpreter: Annotated[AbsolutePath, Field(description="What runs the texts.")] = "/bin/sh"
    user: Annotated[AccountName | None, Field(description="The user who runs them; root where none is given.")] = None


class ScriptFacts(Facts):
    check: str = Field(default="", description="The wished check where it holds; else a line with its exit status.")
    holds: bool = False


async def _run(session: Session, inputs: ScriptInputs, text: str) -> Completed:
    return await session.run(inputs.interpreter, script=text, user=inputs.user, check=False)


def failure(session: Session, inputs: ScriptInputs, role: str, result: Completed, remedy: str) -> CommandFailed:
    """Return the error for a text that ended with another status than 0: the status, and the last lines it wrote."""
    by = f" as {inputs.user}" if inputs.user else ""
    what = f"`{role}` of the script {inputs.name!r}, run{by} with {inputs.interpreter} on {session.machine},"
    said = result.stderr.strip() or result.stdout.strip()
    return CommandFailed(
        f"{what} ended with exit status {result.status}", status=result.status, detail=said, remedy=remedy
    )


async def observe(session: Session, inputs: ScriptInputs) -> ScriptFacts:
    result = await _run(session, inputs, inputs.check)
    if result.status == 127 and inputs.interpreter in result.stderr:
        # Without its interpreter a check says nothing about the machine.
        raise failure(
            session, inputs, "check", result, f"install {inputs.interpreter} first: name its Package in depends_on"
        )
    found = inputs.check if result.ok else f"<does not hold: exit status {result.status}>"
    return ScriptFacts(present=True, check=found, holds=result.ok)


async def apply(session: Session, inputs: ScriptInputs, facts: ScriptFacts) -> None:
    if facts.holds:
        return
    result = await _run(session, inputs, inputs.apply)
    if not result.ok:
        raise failure(
            session, inputs, "apply", result, "put the text right, and run up again: it is run from its beginning"
        )


async def restore(session: Session, inputs: ScriptInputs, before: ScriptFacts) -> None:
    if before.holds:
        return
    if inputs.undo is None:
        session.warn(f"the script {inputs.name!r} has no `undo`: what it did on {session.machine} stays")
        return
    result = await _run(session, inputs, inputs.undo)
    if result.ok:
        return
    # What is gone already can't be undone, and must not hold up a destroy.
    if (await _run(session, inputs, inputs.check)).ok:
        raise failure(session, inputs, "undo", result, "put the text right, run up and then destroy again")
    session.warn(
        f"`undo` of the script {inputs.name!r} ended with exit status {result.status} on {session.machine}, "
        "where `check` does not hold any more: taken as undone"
    )


async def explain(session: Session, inputs: ScriptInputs, facts: ScriptFacts) -> str:
    """Return why a script's wish does not hold after its `apply` went well: what `check` says."""
    result = await _run(session, inputs, inputs.check)
    said = lines_in(result.stderr.strip() or result.stdout.strip())
    return f"`apply` ended well, and `check` ended with {result.status}" + (f": {said[-1]}" if said else "")


KIND = Kind(
    token="hearth:host:Script",
    inputs=ScriptInputs,
    facts=ScriptFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("name",),
    identify=lambda inputs: inputs.name,
    locks=lambda inputs: (f"script:{inputs.name}",),
    deadline=600.0,
    explain=explain,
    by_hand=lambda _inputs: "do what its `undo` says",
)

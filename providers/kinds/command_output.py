"""What a command on a machine answers, as an output that other resources use. Manages nothing and changes nothing.

For what only the machine knows and another resource's inputs depend on, as the version of a program. The command must
change nothing: it is run at creation and at every refresh, never by a plain `up`. Its answer must be no secret.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from providers.errors import CommandFailed
from providers.kind import AccountName, Facts, Inputs, Kind
from providers.machine.session import Session

ANSWER_LIMIT = 4096  # characters


def _some_words(value: list[str]) -> list[str]:
    if not value or not value[0]:
        raise ValueError("must hold a program and its arguments, one to an entry, as ['podman', '--version']")
    return value


class CommandOutputInputs(Inputs):
    name: Annotated[str, Field(min_length=1, max_length=100, description="Which fact this is. A change replaces it.")]
    command: Annotated[
        list[str], AfterValidator(_some_words), Field(description="The program and its arguments; no shell.")
    ]
    user: Annotated[AccountName | None, Field(description="The user who asks; root where none is given.")] = None


class CommandOutputFacts(Facts):
    answer: str = Field(default="", description="What the command wrote to standard output, blanks around it removed.")
    status: int = 0
    complaint: str = ""


async def observe(session: Session, inputs: CommandOutputInputs) -> CommandOutputFacts:
    result = await session.run(*inputs.command, user=inputs.user, check=False)
    if not result.ok:
        # No error: a refresh has to go on where, say, the program's package has been removed.
        return CommandOutputFacts(present=False, status=result.status, complaint=result.stderr.strip()[-ANSWER_LIMIT:])
    return CommandOutputFacts(present=True, answer=result.stdout.strip()[:ANSWER_LIMIT])


async def apply(session: Session, inputs: CommandOutputInputs, facts: CommandOutputFacts) -> None:
    if facts.present:
        return  # another command was given, and has answered already
    raise CommandFailed(
        f"`{' '.join(inputs.command)}` on {session.machine} ended with exit status {facts.status}, so {inputs.name!r} "
        "is not known",
        status=facts.status,
        detail=facts.complaint,
        remedy="install what the command needs, and name that resource in depends_on",
    )


async def restore(session: Session, inputs: CommandOutputInputs, before: CommandOutputFacts) -> None:
    """Do nothing: nothing was changed, so there is nothing to put back."""


KIND = Kind(
    token="hearth:host:CommandOutput",
    formerly="hearth:host:Fact",
    inputs=CommandOutputInputs,
    facts=CommandOutputFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("name",),
    identify=lambda inputs: f"fact/{inputs.name}",
    outputs=("answer",),
    by_hand=lambda _inputs: "",
)

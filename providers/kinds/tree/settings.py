"""What a Tree is wished to be. See `kind` for what is managed."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter

from providers.kind import AbsolutePath, Inputs, Mode, Owner
from providers.kinds.tree.patterns import plain

_RULE = {
    "pattern": TypeAdapter[Any](Annotated[str, AfterValidator(plain)]),
    "mode": TypeAdapter[Any](Mode),
    "owner": TypeAdapter[Any](Owner),
    "group": TypeAdapter[Any](Owner),
}


def _source(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or value in ("", ".") or "\\" in value or value.startswith("~"):
        raise ValueError(
            "must be a folder of the project, by its path from the folder of Pulumi.yaml on, as 'files/site': a preview"
            " elsewhere must find it too"
        )
    return str(path)


def _patterns(value: list[str]) -> list[str]:
    return [plain(each) for each in value]


def _rules(value: list[dict[str, str]]) -> list[dict[str, str]]:
    result: list[dict[str, str]] = []
    for rule in value:
        unknown = sorted(rule.keys() - _RULE.keys())
        if unknown or "pattern" not in rule or len(rule) < 2:
            raise ValueError(
                "must be rules as {'pattern': '*.key', 'mode': '0600', 'owner': 'ann', 'group': 'ann'}, each with a"
                f" pattern and one of the others at least{f'; {unknown[0]!r} is none of them' if unknown else ''}"
            )
        result.append({name: _RULE[name].validate_python(text) for name, text in rule.items()})
    return result


class TreeInputs(Inputs):
    path: Annotated[
        AbsolutePath, Field(description="The folder on the machine. Its parent must exist. A change replaces it.")
    ]
    source: Annotated[
        str, AfterValidator(_source), Field(description="The folder in the project, from that of Pulumi.yaml on.")
    ]
    name: Annotated[
        str,
        Field(
            pattern=r"^([A-Za-z0-9][A-Za-z0-9_.:@-]{0,63})?$",
            description="Tells Trees at one path apart, as two in /etc. A change replaces the Tree.",
        ),
    ] = ""
    mode: Annotated[
        Mode | None,
        Field(
            description="Permission bits of the files. Left out, a new one gets `0644`, or `0755` where it may be run"
            " in the project, and one that is there keeps its own."
        ),
    ] = None
    folder_mode: Annotated[
        Mode | None,
        Field(
            description="Permission bits of the folders. Left out, a new one gets `0755`, and one that is there keeps"
            " its own."
        ),
    ] = None
    owner: Annotated[
        Owner | None,
        Field(
            description="Name or number of the user who owns all of it. Left out, what is new gets `root`, and what is"
            " there keeps its own."
        ),
    ] = None
    group: Annotated[
        Owner | None,
        Field(
            description="Name or number of the group that owns all of it. Left out, what is new gets `root`, and what"
            " is there keeps its own."
        ),
    ] = None
    rules: Annotated[
        list[dict[str, str]],
        AfterValidator(_rules),
        Field(
            description="Mode, owner and group of what a pattern matches, as {'pattern': '*.key', 'mode': '0600'}. Of"
            " several that match, the last one that speaks of a property decides it. Patterns are those of .gitignore;"
            " a folder gets a mode only by one that ends with a slash, './' is the tree's own.",
            default_factory=list,
        ),
    ]
    exclude: Annotated[
        list[str],
        AfterValidator(_patterns),
        Field(
            description="Patterns of what is neither brought nor, on the machine, a stranger; as in .gitignore.",
            default_factory=list,
        ),
    ]
    exact: Annotated[
        bool,
        Field(
            description="Whether what the source does not have is drift. It is moved out of the way then, and comes"
            " back on destroy."
        ),
    ] = False
    files: Annotated[
        dict[str, str] | None,
        Field(description="What each file is to be, in a line. It follows from the source: nobody gives it."),
    ] = None

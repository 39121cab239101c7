"""What a unit is wished to be. See `kind` for what is managed."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from providers.kind import AbsolutePath, AccountName, Inputs
from providers.kinds.unit import systemd


def _unit_name(value: str) -> str:
    suffixes = "|".join([*systemd.UNITS, *systemd.QUADLET])
    if len(value) > 255 or not re.fullmatch(rf"[A-Za-z0-9:_.\\@-]+\.({suffixes})", value):
        raise ValueError(
            "must be a unit's full name, as web.service or web.container; it ends in one of"
            f" {', '.join([*systemd.UNITS, *systemd.QUADLET])}"
        )
    return value


class UnitInputs(Inputs):
    name: Annotated[
        str,
        AfterValidator(_unit_name),
        Field(
            description="The unit's full name, or that of a Quadlet source file, as `web.container`. A change replaces"
            " the resource."
        ),
    ]
    user: Annotated[
        AccountName | None,
        Field(
            description="The account whose own service manager it belongs to; none: the system's. A change replaces the"
            " resource."
        ),
    ] = None
    home: Annotated[
        AbsolutePath | None,
        Field(
            description="The home of `user`, below which the file is: give User's `home`, and the unit follows it. A"
            " change replaces the resource."
        ),
    ] = None
    text: Annotated[
        str | None,
        Field(description="The whole text of the unit file. None: the unit comes from elsewhere, as from a package."),
    ] = None
    enabled: Annotated[
        bool | None,
        Field(description="Whether it is started at boot. Of a Quadlet file its [Install] section says so."),
    ] = None
    running: Annotated[
        bool | None, Field(description="Whether it is active; of a Quadlet file, whether its service is.")
    ] = None
    restart_on: Annotated[
        list[str] | None,
        Field(description="Texts of any kind, as hashes of its configuration files: a change restarts it."),
    ] = None
    restart_on_files: Annotated[
        list[AbsolutePath] | None,
        Field(
            description="Files that it reads when it starts, or folders of such: it is restarted where it runs with"
            " what was in them before, also where its package has just started it."
        ),
    ] = None
    start_timeout: float = Field(default=90.0, gt=0, description="Seconds that a start may take.")
    allow_lockout: bool = Field(
        default=False,
        description="Whether the SSH server or the network that Hearth comes by may be changed or stopped.",
    )

    @field_validator("enabled")
    @classmethod
    def _can_be_enabled(cls, value: bool | None, info: ValidationInfo) -> bool | None:
        name, text = info.data.get("name"), info.data.get("text")
        if value is None or name is None or text is None:
            return value
        if value and not systemd.installs(text):
            raise ValueError("can't be true while the text has no [Install] section; add one with WantedBy=")
        if not value and systemd.is_quadlet(name) and systemd.installs(text):
            raise ValueError(
                "can't be false while the text of a Quadlet file has an [Install] section, which enables it; remove"
                " that section, or leave `enabled` out"
            )
        return value

    @field_validator("running")
    @classmethod
    def _can_run(cls, value: bool | None, info: ValidationInfo) -> bool | None:
        name = info.data.get("name")
        if value is not None and name is not None and systemd.is_template(name):
            raise ValueError("can't be set for a template, which never runs itself; declare a Unit for its instance")
        return value

"""Podman on a SecondBrain host: its packages, or a look whether they are there; and which form its units take."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi import CustomTimeouts, Output, ResourceOptions

from components.blocks.quadlet import Form, form_for
from components.secondbrain.scripts import COMMANDS, HELPERS, PACKAGES, require_script
from providers.resources.host import CommandOutput, Package, Script


class Podman:
    """Prerequisites of one SecondBrain host, as resources below its component."""

    base: list[pulumi.Resource]
    """Before the account: podman, and what the account's own manager needs."""
    helpers: list[pulumi.Resource]
    """Before the pod: what podman needs for it, which depends on podman's version."""
    gate: list[pulumi.Resource]
    """Before everything: a prerequisite that is only looked for is there, or nothing at all is done."""
    form: Output[Form]

    def __init__(
        self,
        name: str,
        *,
        host: str,
        install: bool,
        version: str | None,
        podmgr: bool,
        share: bool,
        parent: pulumi.Resource,
    ) -> None:
        """Register them. `version` is podman's where the settings say it; `podmgr` and `share` need more beside."""
        self._name, self._host, self._parent = name, host, parent
        more = ("git", "python3-venv") if podmgr else ()
        self.gate = [] if install else [self._require(more, share=share)]
        self.base = [self._package(package, package) for package in (*PACKAGES, *more)] if install else self.gate
        self.form = self._form(version)
        roles = sorted(HELPERS[Form.POD])
        self.helpers = (
            [self._package(role, self.form.apply(lambda form, role=role: HELPERS[form][role])) for role in roles]
            if install
            else []
        )

    def _options(self, after: Sequence[pulumi.Resource] = (), create: str | None = None) -> ResourceOptions:
        timeouts = CustomTimeouts(create=create) if create else None
        return ResourceOptions(parent=self._parent, depends_on=list(after) or None, custom_timeouts=timeouts)

    def _package(self, role: str, package: pulumi.Input[str]) -> Package:
        return Package(f"{self._name}-package-{role}", host=self._host, name=package, opts=self._options())

    def _require(self, podmgr: Sequence[str], *, share: bool) -> Script:
        """Return a check that stops with the names of what is missing."""
        helpers = [package for packages in HELPERS.values() for package in packages.values()]
        commands = (*COMMANDS, *(("git",) if podmgr else ()), *(("mount.cifs",) if share else ()))
        packages = (*PACKAGES, *helpers, *podmgr, *(("cifs-utils",) if share else ()))
        apply, check = require_script(commands, packages)
        return Script(
            f"{self._name}-prerequisites",
            host=self._host,
            name=f"{self._name}-prerequisites",
            apply=apply,
            check=check,
            undo=":",
            opts=self._options(),
        )

    def _form(self, known: str | None) -> Output[Form]:
        if known is not None:
            return Output.from_input(form_for(known))
        asked = CommandOutput(
            f"{self._name}-podman-version",
            host=self._host,
            name="podman-version",
            command=["podman", "--version"],
            # On a slow machine the first start of podman, beside what is pulled at the same time, took over a minute.
            opts=self._options([*self.gate, *self.base[:1]], create="5m"),
        )
        return asked.answer.apply(_form_for)


def _form_for(version: str) -> Form:
    try:
        return form_for(version)
    except ValueError as error:
        raise pulumi.RunError(str(error)) from None

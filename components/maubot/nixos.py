"""maubot on NixOS: modules in the machine's own flake, rolled out in the task list's phases.

Each phase is switched to only while the named services are well, and rolled back where they are not well afterwards.
The secrets stay in the machine's own sops file (`maubot-admin-password`, `maubot-secret-key`, with PostgreSQL
`maubot-database-url`), and the host's configuration has to import ./hearth-maubot.nix once: neither is Hearth's to
write.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import pulumi
from pulumi import ResourceOptions

from components.maubot import nix_phases, nix_text, units
from components.system import SystemArgs
from config.systems.maubot import Maubot
from config.systems.maubot.parts import NixOs
from providers.resources.host import Directory, File, Script

FOLDER = "/var/lib/hearth-maubot"
"""What a rollout needs on the machine, outside of the flake."""
PROGRAM = f"{FOLDER}/rollout.sh"


FILES = (
    "modules/maubot.nix",
    "modules/dev-services-maubot.nix",
    "hearth-maubot/health.py",
    "hearth-maubot/backup.py",
    "hearth-maubot/told.json",
)
"""What hearth-maubot.nix uses, from the flake's folder."""


def texts(settings: Maubot, nixos: NixOs) -> dict[str, tuple[str, str]]:
    """Return role -> (path, content) of what lies on the machine before a rollout."""
    flake = str(nixos.flake)
    programs = {
        f"{program}-program": (
            f"{flake}/hearth-maubot/{program}.py",
            (units.PROGRAMS / f"{program}.py").read_text(),
        )
        for program in ("health", "backup")
    }
    return {
        "module": (f"{flake}/modules/maubot.nix", nix_text.maubot_module()),
        "dev-services": (f"{flake}/modules/dev-services-maubot.nix", nix_text.dev_services_module(settings)),
        **programs,
        "told": (f"{flake}/hearth-maubot/told.json", units.told(settings)),
        "rollout": (PROGRAM, (units.PROGRAMS / "rollout.sh").read_text()),
        **{
            f"phase-{phase}-text": (f"{FOLDER}/{phase}.nix", nix_phases.host_module(settings, phase))
            for phase in nix_phases.PHASES
        },
    }


def phase_script(settings: Maubot, nixos: NixOs, phase: str) -> tuple[str, str]:
    """Return (apply, check) of one phase.

    A later phase's file holds this one too. The last one wants everything as it was rolled out last, so that a change
    of a setting is rolled out, and by the last phase alone.
    """
    index = nix_phases.PHASES.index(phase)
    target = shlex.quote(f"{nixos.flake}/hearth-maubot.nix")
    if phase == nix_phases.PHASES[-1]:
        pairs = [(f"{FOLDER}/{phase}.nix", target)]
        pairs += [(f"{FOLDER}/good/{file}", shlex.quote(f"{nixos.flake}/{file}")) for file in FILES]
        check = " && ".join(f"cmp -s {one} {other}" for one, other in pairs)
    else:
        check = f"grep -qxE '{nix_phases.PHASE_LINE}({'|'.join(nix_phases.PHASES[index:])})' {target}"
    secrets = " ".join(nix_text.secrets(settings)) if index else ""
    words = [str(nixos.flake), nixos.configuration, FOLDER, phase, secrets, *settings.watched]
    return f"sh {PROGRAM} {shlex.join(words)}\n", f"{check}\n"


def checked_on(settings: Maubot, nixos: NixOs, phase: str) -> list[str] | None:
    """Return the texts that the check of a phase compares: all of them, of the last phase."""
    if phase != nix_phases.PHASES[-1]:
        return None
    return [content for _, content in texts(settings, nixos).values()]


def undo_script(settings: Maubot, nixos: NixOs) -> str:
    """Take the last trace out of the running system.

    The host's import must find a file: the one that was there before, or an empty module.
    """
    target, flake = shlex.quote(f"{nixos.flake}/hearth-maubot.nix"), shlex.quote(str(nixos.flake))
    switch = shlex.join(["nixos-rebuild", "switch", "--flake", f"{nixos.flake}#{nixos.configuration}"])
    figures = f"rm -f {shlex.quote(units.figures(settings))}\n" if units.figures(settings) else ""
    return f"""\
if [ -e {FOLDER}/original/hearth-maubot.nix ]; then
    cp -p {FOLDER}/original/hearth-maubot.nix {target}
else
    echo '{{ ... }}: {{ }}' >{target}
fi
{switch}
git -C {flake} reset --quiet -- {shlex.join(FILES)} 2>/dev/null || :
rm -rf {FOLDER}/original {FOLDER}/good {FOLDER}/good.part {FOLDER}/log
{figures}"""


def import_script(nixos: NixOs) -> tuple[str, str]:
    """Return (apply, check): that the flake imports hearth-maubot.nix, which is its owner's to write."""
    flake = shlex.quote(str(nixos.flake))
    check = f"grep -rqE '^[^#]*hearth-maubot[.]nix' --include='*.nix' --exclude=hearth-maubot.nix {flake}\n"
    apply = (
        f"{check}[ $? -eq 0 ] && exit 0\n"
        f"echo 'no file of the flake {nixos.flake} imports ./hearth-maubot.nix: a rollout would do nothing' >&2\n"
        "echo 'add it to the imports of the host, then run up again' >&2\nexit 1\n"
    )
    return apply, check


class NixosMaubot:
    """The modules and the phases. `ready` is what a user of maubot's API has to wait for."""

    def __init__(self, name: str, args: SystemArgs[Maubot], parent: pulumi.Resource) -> None:
        settings, nixos = args.settings, args.settings.nixos
        assert nixos is not None, "the settings' model asks for it on this platform"
        self._name, self._settings, self._parent = name, settings, parent
        files = self._files(nixos)
        apply, check = import_script(nixos)
        done: pulumi.Resource = Script(
            f"{name}-nixos-import",
            host=settings.host,
            name="maubot-nixos-import",
            apply=apply,
            check=check,
            opts=ResourceOptions(parent=parent),
        )
        for phase in nix_phases.PHASES:
            apply, check = phase_script(settings, nixos, phase)
            done = Script(
                f"{name}-phase-{phase}",
                host=settings.host,
                name=f"maubot-phase-{phase}",
                apply=apply,
                check=check,
                check_on=checked_on(settings, nixos, phase),
                undo=undo_script(settings, nixos) if phase == "modules" else ":",
                opts=ResourceOptions(
                    parent=parent,
                    depends_on=[*files, done],
                    custom_timeouts=pulumi.CustomTimeouts(create="60m", update="60m", delete="60m"),
                ),
            )
        self.ready: Sequence[pulumi.Resource] = [done]

    def _files(self, nixos: NixOs) -> list[pulumi.Resource]:
        settings, flake = self._settings, str(nixos.flake)
        folders = [
            Directory(
                f"{self._name}-{role}",
                host=settings.host,
                path=path,
                opts=ResourceOptions(parent=self._parent),
            )
            for role, path in (
                ("rollout-folder", FOLDER),
                ("modules-folder", f"{flake}/modules"),
                ("flake-folder", f"{flake}/hearth-maubot"),
            )
        ]
        return [
            File(
                f"{self._name}-nixos-{role}",
                host=settings.host,
                path=path,
                content=content,
                opts=ResourceOptions(parent=self._parent, depends_on=folders),
            )
            for role, (path, content) in texts(settings, nixos).items()
        ]

"""The environment that Pulumi runs in: where the state is, what encrypts its secrets, and which programs it finds.

Anything that is set already wins, so that `PULUMI_BACKEND_URL` alone moves the state elsewhere. Standard library only.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain.files import write_whole
from toolchain.versions import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE_FOLDER = ".state"
PASSPHRASE_FILE = "passphrase"
VIRTUAL_ENVIRONMENT = ROOT / ".venv"

# These say where the state is and how its secrets are kept. A project of its own state takes none of them from outside.
PLACE_OF_STATE = (
    "PULUMI_BACKEND_URL",
    "PULUMI_ACCESS_TOKEN",
    "PULUMI_CONFIG_PASSPHRASE",
    "PULUMI_CONFIG_PASSPHRASE_FILE",
    "PULUMI_HOME",
    "PULUMI_STACK",
)


def pulumi_environment(
    project: Path, environ: Mapping[str, str] | None = None, *, own_state: bool = False
) -> dict[str, str]:
    """Return the whole environment for Pulumi in a project's folder.

    With `own_state`, what the caller's environment says about backends, passphrases and stacks is left out, so that a
    project in a temporary folder keeps its state there whatever else is going on.
    """
    outer = dict(os.environ if environ is None else environ)
    if own_state:
        for name in PLACE_OF_STATE:
            outer.pop(name, None)
    folder = str(VIRTUAL_ENVIRONMENT / "bin")
    rest = [part for part in outer.get("PATH", os.defpath).split(os.pathsep) if part and part != folder]
    return {**outer, **defaults(project, outer), "PATH": os.pathsep.join([folder, *rest])}


def defaults(project: Path, outer: Mapping[str, str]) -> dict[str, str]:
    """Return what Pulumi needs and the outer environment does not say."""
    state = project / STATE_FOLDER
    wanted = {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    if not outer.get("PULUMI_BACKEND_URL"):
        wanted["PULUMI_BACKEND_URL"] = f"file://{state}"
        # With the state here, so are Pulumi's other files. Elsewhere credentials stay where `pulumi login` put them.
        wanted["PULUMI_HOME"] = str(state / "pulumi-home")
    if not any(outer.get(name) for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")):
        wanted["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(state / PASSPHRASE_FILE)
    return {name: value for name, value in wanted.items() if not outer.get(name)}


def prepare_state(project: Path) -> bool:
    """Make the folder of the state (mode 0700) and a passphrase (mode 0600); return whether anything was missing.

    An existing passphrase is never replaced: what it encrypted would be lost.
    """
    state = project / STATE_FOLDER
    missing = not state.is_dir()
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    if state.stat().st_mode & 0o777 != 0o700:
        state.chmod(0o700)
        missing = True
    return make_passphrase(state / PASSPHRASE_FILE) or missing


def make_passphrase(path: Path) -> bool:
    """Write a new passphrase unless there is one, whole or not at all, even if two do so at once."""
    if path.exists():
        if path.stat().st_mode & 0o777 == 0o600:
            return False
        path.chmod(0o600)
        return True
    fresh = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    write_whole(fresh, secrets.token_urlsafe(32) + "\n", 0o600)
    try:
        path.hardlink_to(fresh)
    except FileExistsError:
        # Another process was first; its passphrase is in use already.
        return False
    finally:
        fresh.unlink()
    return True

"""What of the settings is not brought up yet stops everything, before anything is registered."""

from __future__ import annotations

from components.system import NotDeployable
from config.mistakes import Mistake
from config.systems.lxd import Lxd


def refuse_what_is_not_there(settings: Lxd) -> None:
    """Raise NotDeployable that lists each part of the settings that Hearth knows and does not bring up yet."""
    parts = {
        "environment.link": settings.environment is not None and settings.environment.link is not None,
    }
    mistakes = [
        Mistake(f"hearth:lxd.{part}", "is known and not brought up yet", "leave it out: docs/systems/lxd.md says more")
        for part, given in parts.items()
        if given
    ]
    if mistakes:
        raise NotDeployable(mistakes)

"""What the tests of the kind Unit share: the units that they wish for, and how one is made."""

from __future__ import annotations

from typing import Any

import pytest

from providers.kinds.unit import systemd
from providers.kinds.unit.facts import UnitFacts
from providers.kinds.unit.kind import KIND
from providers.kinds.unit.settings import UnitInputs
from tests.unit.providers.kinds.fake_systemd import SYSTEM_FOLDER, SystemdMachine

TEXT = "[Service]\nExecStart=/usr/bin/web\n[Install]\nWantedBy=multi-user.target\n"
WISH = UnitInputs(host="box", name="web.service", text=TEXT, enabled=True, running=True)
PATH = f"{SYSTEM_FOLDER}/web.service"
LINK = f"{SYSTEM_FOLDER}/multi-user.target.wants/web.service"
QUADLET = "/var/lib/pod/.config/containers/systemd/web.container"


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no unit to settle, in each module that imports this."""
    monkeypatch.setattr(systemd, "SETTLE", 0.0)


def state(name: str, **wishes: Any) -> UnitInputs:
    return UnitInputs.model_validate({"host": "box", "name": name, **wishes})


async def make(machine: SystemdMachine, wish: UnitInputs) -> UnitFacts:
    """Create or update, as the plugin does; return what was there before."""
    before = await KIND.observe(machine, wish)
    await KIND.apply(machine, wish, before)
    after = await KIND.observe(machine, wish)
    assert after.present
    assert KIND.differences(wish, after) == {}
    return before

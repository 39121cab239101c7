"""The kind Venv with a real environment on this very machine, and wheels made by the test: no index is asked."""

import sys
import zipfile
from pathlib import Path

import pytest

from providers.kinds.venv.kind import KIND, VenvFacts, VenvInputs, apply, observe, restore
from tests.unit.providers.kinds.local_session import ME, LocalSession

PYTHON = str(Path(sys.executable).resolve())


def wheel(folder: Path, name: str, version: str) -> Path:
    """Return a package of one empty module, as its specification asks for it."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}.py", "")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: no\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return path


def packages_of(path: Path) -> list[str]:
    site = next((path / "lib").glob("python*/site-packages"))
    return sorted(each.name.removesuffix(".dist-info") for each in site.glob("hearth*.dist-info"))


async def test_a_real_environment_goes_on_after_a_kill_changes_and_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for version in ("1.0", "2.0"):
        wheel(tmp_path, "hearthdemo", version)
    other = wheel(tmp_path, "hearthother", "1.0")
    settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_NO_CACHE_DIR": "1"}
    monkeypatch.setattr("providers.kinds.venv.kind.ENVIRONMENT", settings)
    session, path = LocalSession(), tmp_path / "env"
    path.mkdir()
    (path / "pyvenv.cfg").touch()  # as far as a creation may have come

    def wish(*requirements: str) -> VenvInputs:
        return VenvInputs(host="here", path=str(path), python=PYTHON, requirements=requirements, owner=ME)

    async def up(inputs: VenvInputs) -> VenvFacts:
        before = await observe(session, inputs)
        await apply(session, inputs, before)
        assert KIND.differences(inputs, await observe(session, inputs)) == {}
        return before

    await up(wish("hearthdemo==1.0"))
    assert packages_of(path) == ["hearthdemo-1.0"]
    second = wish("hearthdemo==2.0", f"hearthother @ file://{other}")
    there = await up(second)
    assert KIND.differences(second, there)["requirements"][1] == ("hearthdemo==1.0", "<hearthother is missing>")
    assert packages_of(path) == ["hearthdemo-2.0", "hearthother-1.0"]
    await restore(session, second, there)
    assert packages_of(path) == ["hearthdemo-1.0"]
    assert not [line for line in session.lines if "hearthdemo" in line]

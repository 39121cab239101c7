"""The settings of a trial project, which are written without the engine."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.lab.workspace import Workspace


def test_a_value_is_set_replaced_and_taken_away_and_the_rest_stays(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: trial\nruntime: python\n")
    settings = tmp_path / "Pulumi.dev.yaml"
    settings.write_text("encryptionsalt: v1:salt\nconfig:\n  trial:kept: '1'\n")
    work = Workspace(tmp_path, {}, "dev")
    work.configure("word", "one")
    work.configure("hearth:hosts", '{"box": {}}')
    work.configure("word", "8000")
    wanted = {"trial:kept": "1", "trial:word": "8000", "hearth:hosts": '{"box": {}}'}
    assert yaml.safe_load(settings.read_text()) == {"encryptionsalt": "v1:salt", "config": wanted}
    work.configure("word", None)
    work.configure("word", None)
    assert "trial:word" not in yaml.safe_load(settings.read_text())["config"]

"""What is made from the kinds' models is what the models say now."""

from pathlib import Path

import pytest

from providers.generate import generated

GENERATED = generated()


@pytest.mark.parametrize("path", sorted(GENERATED), ids=lambda path: path.name)
def test_a_generated_file_is_not_stale(path: Path):
    assert path.read_text() == GENERATED[path], "run python -m providers.generate, and commit what it writes"

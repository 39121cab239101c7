"""What images are built from: what their Dockerfiles copy, and what .dockerignore keeps out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.blocks.build_context import MAIL_ASSISTANT, TODO, BuildContext, copied, is_ignored

ALL = [MAIL_ASSISTANT, *TODO.values()]


@pytest.mark.parametrize(
    ("path", "patterns", "expected"),
    [
        ("src/app/page.tsx", ["*", "!src"], False),
        ("node_modules/next/index.js", ["*", "!src"], True),
        ("node_modules/next/index.js", ["node_modules"], True),
        ("src/node_modules.ts", ["node_modules"], False),
        ("a/b/__pycache__/c.pyc", ["**/__pycache__"], True),
        ("src/secret.env", ["*", "!src", "**/*.env"], True),
        ("tests/one.py", ["/tests/"], True),
        ("README.md", ["*.md"], True),
        ("docs/README.md", ["*.md"], False),
    ],
)
def test_what_the_dockerignore_keeps_out_is_no_part_of_an_image(path: str, patterns: list[str], expected: bool) -> None:
    assert is_ignored(path, patterns) is expected


def context(folder: Path) -> BuildContext:
    """Make two applications and what they share, of which the first one's image is made of one and the shared."""
    for name in ("one", "two", "shared"):
        (folder / name).mkdir()
        (folder / name / "code.py").write_text(name)
    (folder / "one" / "Dockerfile").write_text(
        "FROM x AS build\nCOPY shared one/code.py /app/\nFROM y\nCOPY --from=build /app /app\n"
    )
    (folder / ".dockerignore").write_text("# none but these\n*\n!one/code.py\n!two\n!shared\n**/*.pyc\n")
    return BuildContext(folder, "one/Dockerfile")


def names(found: BuildContext) -> list[str]:
    return [str(path.relative_to(found.folder)) for path in found.files()]


def test_an_image_is_made_of_what_its_dockerfile_copies_and_dockerignore_lets_in(tmp_path: Path) -> None:
    made = context(tmp_path)
    (tmp_path / "shared" / "code.pyc").write_text("")
    (tmp_path / "shared" / "__pycache__").mkdir()
    (tmp_path / "shared" / "__pycache__" / "code.txt").write_text("")
    assert made.parts == ("one/Dockerfile", ".dockerignore", "shared", "one/code.py")
    assert names(made) == [".dockerignore", "one/Dockerfile", "one/code.py", "shared/code.py"]


def test_the_images_tag_follows_its_content_and_nothing_else(tmp_path: Path) -> None:
    made = context(tmp_path)
    first = made.digest()
    (tmp_path / "README.md").write_text("not part of it")
    (tmp_path / "two" / "code.py").write_text("another application's")
    assert made.digest() == first
    for path in ("one/Dockerfile", ".dockerignore", "shared/code.py"):
        before = made.digest()
        with (tmp_path / path).open("a") as file:
            file.write("\n# changed\n")
        assert made.digest() != before, path
    before = made.digest()
    (tmp_path / "shared" / "code.py").chmod(0o755)
    assert made.digest() != before


def test_a_folder_as_a_whole_is_copied_without_what_is_kept_out(tmp_path: Path) -> None:
    for path in ("src/deep/kept.py", "src/left.py", "other/x.py", "README.md"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "Dockerfile").write_text("FROM x\nCOPY . .\n")
    (tmp_path / ".dockerignore").write_text("*\n!src/deep\n")
    made = BuildContext(tmp_path, "Dockerfile")
    assert names(made) == ["src/deep/kept.py", ".dockerignore", "Dockerfile"]


@pytest.mark.parametrize(
    ("line", "sources"),
    [
        ("COPY a b /to/", ("a", "b")),
        ("copy ./a/ /to", ("a",)),
        ("  COPY --chown=1:1 a /to", ("a",)),
        ("COPY . .", (".",)),
        ("COPY --from=build /a /to", ()),
        ("RUN cp COPY a", ()),
    ],
)
def test_the_sources_of_a_copy_are_read(line: str, sources: tuple[str, ...]) -> None:
    assert copied(f"FROM x\n{line}\n") == sources


@pytest.mark.parametrize(
    "line", ["COPY a*.py /to/", "COPY a \\", 'COPY ["a", "/to"]', "COPY <<END /to", "COPY $A /to", "COPY a"]
)
def test_a_copy_that_can_not_be_read_is_refused_with_a_remedy(line: str) -> None:
    with pytest.raises(ValueError, match="write its sources out"):
        copied(line)


@pytest.mark.parametrize("made", ALL, ids=lambda made: made.dockerfile)
def test_all_that_an_image_of_ours_copies_is_there_and_let_in(made: BuildContext) -> None:
    found = names(made)
    for part in made.parts:
        assert any(name == part or name.startswith(f"{part}/") for name in found), part
    assert not [name for name in found if "/tests/" in name or name.endswith((".env", ".pyc"))]


def test_both_backends_images_hold_the_foundation_and_neither_the_others_code() -> None:
    mail, todo = names(MAIL_ASSISTANT), names(TODO["backend"])
    assert {name for name in mail if name.startswith("foundation/")} == {
        name for name in todo if name.startswith("foundation/foundation/")
    }
    assert not [name for name in mail if name.startswith("todo/")]
    assert not [name for name in todo if name.startswith("mail-assistant/")]


def test_a_context_is_named_as_seen_from_the_project() -> None:
    assert MAIL_ASSISTANT.seen_from(MAIL_ASSISTANT.folder.parent) == "apps"
    assert not os.path.isabs(MAIL_ASSISTANT.seen_from(Path.cwd()))  # noqa: PTH117

"""What a Tree reads of the project: patterns as git has them, and every file that can't be brought."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import InvalidInput
from providers.kinds.tree import lines, source
from providers.kinds.tree.patterns import Look, Patterns, Rules, expression, plain
from tests.lab.support import require

PATHS = ["a", "b.key", "bin/run", "bin/deep/run", "x/b.key", "cache/one", "x/cache/one", "[odd]", "x/a+b", "é/ü"]


@pytest.mark.parametrize(
    "pattern",
    [
        *("*.key", "bin/*", "bin/**", "/a", "a", "x/", "cache/", "**/cache/", "x/**/one", "b?key", "[ab].key"),
        *("[!b].key", "*", "x/a+b", "bin/deep", "**/run", "é/*", "[[]odd]", "*a*"),
    ],
)
def test_a_pattern_leaves_out_what_git_would_ignore_by_it(tmp_path: Path, pattern: str):
    require("git")
    for path in PATHS:
        (tmp_path / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / path).write_text(path)
    (tmp_path / "tree" / ".gitignore").write_text(f"{pattern}\n")
    git = ["git", "-C", str(tmp_path / "tree"), "-c", "core.quotePath=false"]
    subprocess.run([*git, "init", "-q"], check=True)
    found = subprocess.run([*git, "ls-files", "-o", "--exclude-standard", "-z"], check=True, capture_output=True)
    expected = set(found.stdout.decode().split("\0")) - {"", ".gitignore"}
    kept: set[str] = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        with contextlib.suppress(InvalidInput):  # nothing is left
            kept = set(source.read("tree", [pattern, ".gitignore"]))
    assert kept == expected


@given(st.text(alphabet=st.characters(exclude_characters="\x00\n/\ud800", exclude_categories=["Cs"]), min_size=1))
def test_a_name_without_signs_of_patterns_matches_itself_alone(name: str):
    if name.strip("/") in ("", ".", "..") or re.search(r"[*?\[\\]", name):
        return
    assert re.fullmatch(expression(plain(name)), name)
    assert Patterns([name]).match(f"x/{name}", folder=False)
    assert not Patterns([name]).match(f"{name}x", folder=False)


@pytest.mark.parametrize("pattern", ["", "/", "../x", "a/../b", "a//b", "a\nb", "[z-a]"])
def test_what_is_no_pattern_is_refused(pattern: str):
    with pytest.raises(ValueError, match="is no pattern"):
        plain(pattern)


def test_of_rules_that_match_the_last_decides_property_by_property():
    rules = Rules(
        [
            {"pattern": "*.key", "mode": "0600", "owner": "ann"},
            {"pattern": "public/**", "mode": "0644"},
            {"pattern": "private/", "mode": "0700"},
            {"pattern": "shared/**", "mode": "0664", "group": "team"},
        ],
        Look(mode="0640"),
        Look(group="web"),
    )
    assert rules.look("public/x.key") == Look("0644", "ann", None)
    assert rules.look("x.key") == Look("0600", "ann", None)
    assert rules.look("x.txt") == Look("0640", None, None)
    assert rules.look("private/") == Look("0700", None, "web")
    assert rules.look("private/a") == Look("0640", None, None)
    assert rules.look("shared/a") == Look("0664", None, "team")
    assert rules.look("shared/deep/") == Look(None, None, "team"), "a mode of files would close a folder"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site" / "sub").mkdir(parents=True)
    (tmp_path / "site" / "index.html").write_text("hello")
    (tmp_path / "site" / "sub" / "run").write_bytes(b"\xff\x00")
    (tmp_path / "site" / "sub" / "run").chmod(0o755)
    return tmp_path / "site"


def test_files_are_told_by_size_digest_and_whether_they_run(site: Path):
    (site / "empty").mkdir()
    (site / ".git").mkdir()
    (site / ".git" / "config").write_text("x")
    (site / "link").symlink_to("sub/run")
    found = source.read("site", [])
    assert list(found) == ["index.html", "link", "sub/run"]
    assert found["link"].target == "sub/run"
    assert found["sub/run"].executable
    assert source.folders(found) == ["./", "sub/"]
    assert lines.wished(found["sub/run"], Look(owner="ann")) == (
        "(0755) ann:(root) 2 bytes sha256:" + found["sub/run"].sha256
    )


def _socket(site: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(site / "odd"))


KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "b3BlbnNzaC1rZXktdjEAAAAA" * 8 + "\n-----END OPENSSH PRIVATE KEY-----\n"
MISTAKES = {
    "not UTF-8": lambda site: (site / os.fsdecode(b"odd\xff")).write_text("x"),
    "a sign that can't be shown": lambda site: (site / "odd\nname").write_text("x"),
    "a link to /etc/passwd": lambda site: (site / "odd").symlink_to("/etc/passwd"),
    "leads out of the source": lambda site: (site / "sub" / "odd").symlink_to("../../x"),
    "a pipe, a socket or a device": _socket,
    "a private key": lambda site: (site / "odd").write_text(KEY),
    "larger than": lambda site: os.truncate(_made(site / "odd"), source.LARGEST + 1),
}


def _made(path: Path) -> Path:
    path.write_text("x")
    return path


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_can_not_be_brought_is_named_with_the_reason(site: Path, mistake: str):
    MISTAKES[mistake](site)
    with pytest.raises(InvalidInput) as refused:
        source.read("site", [])
    assert mistake in str(refused.value)
    assert "exclude" in refused.value.remedy
    assert len(source.read("site", ["odd*"])) == 2


def test_a_file_that_can_not_be_read_is_named(site: Path):
    (site / "odd").write_text("x")
    (site / "odd").chmod(0)
    (site / "closed").mkdir(mode=0)
    read = (
        "import sys; from providers.kinds.tree import source\n"
        "try: source.read('site', [])\nexcept Exception as error: print(error)"
    )
    require("root")
    command = ["setpriv", "--reuid=65534", "--clear-groups", "--", sys.executable, "-c", read]
    site.parent.chmod(0o755)
    folder: Path | None = site.parent
    while folder is not None and folder != Path("/"):
        if not folder.stat().st_mode & 0o005:
            folder.chmod(0o755)
        folder = folder.parent
    root = Path(__file__).parents[4]
    done = subprocess.run(
        command,
        cwd=site.parent,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named" in done.stderr or "Permission denied" in done.stderr:
        pytest.skip("the tests' own folder is closed to others")
    assert "odd can't be read: Permission denied" in done.stdout
    assert "closed can't be read: Permission denied" in done.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [("nothing", "no folder 'nothing'"), ("file", "is no folder"), ("out", "leads out of the project")],
)
def test_a_source_that_is_no_folder_of_the_project_is_refused(site: Path, name: str, said: str):
    (site.parent / "file").write_text("x")
    (site.parent / "out").symlink_to("/usr")
    with pytest.raises(InvalidInput, match=said):
        source.read(name, [])


def test_an_empty_source_is_refused(site: Path):
    with pytest.raises(InvalidInput, match="that exclude leaves"):
        source.read("site", ["*"])


def test_a_file_that_changed_meanwhile_is_not_sent(site: Path):
    entry = source.read("site", [])["index.html"]
    (site / "index.html").write_text("other")
    with pytest.raises(InvalidInput, match="has changed since"):
        source.content("site", entry, entry.sha256)

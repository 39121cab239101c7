"""A plugin's archive, as maubot takes it."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from providers.errors import InvalidInput
from providers.kinds.matrix.archive import read

DEFINITION = """\
id: org.example.echo
version: 1.2.0
modules: [echo, helpers]
main_class: Echo
extra_files: [base-config.yaml, "templates/*.txt"]
"""


def plugin(folder: Path, definition: str = DEFINITION) -> Path:
    for name, text in {
        "maubot.yaml": definition,
        "echo.py": "class Echo: ...\n",
        "helpers/__init__.py": "",
        "helpers/deep/more.py": "x = 1\n",
        "helpers/__pycache__/more.cpython-311.pyc": "junk",
        "base-config.yaml": "prefix: a\n",
        "templates/a.txt": "a",
        "notes.md": "not named",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def names(content: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(content)).namelist()


def test_what_the_definition_names_goes_in_and_nothing_else(tmp_path: Path):
    archive = read(plugin(tmp_path))
    assert (archive.plugin, archive.version) == ("org.example.echo", "1.2.0")
    assert names(archive.content) == [
        *("base-config.yaml", "echo.py", "helpers/__init__.py", "helpers/deep/more.py"),
        *("maubot.yaml", "templates/a.txt"),
    ]


def test_what_maubot_imports_of_it_is_known_in_a_folder_and_in_a_file(tmp_path: Path):
    folder = plugin(tmp_path / "folder", DEFINITION.replace('"templates/*.txt"', '"*.py"'))
    (folder / "setup.py").write_text("no Python that anybody imports")
    wanted = ("echo.py", "helpers/__init__.py", "helpers/deep/more.py")
    built = read(folder)
    assert built.python_files == wanted
    (tmp_path / "echo.mbp").write_bytes(built.content)
    assert read(tmp_path / "echo.mbp").python_files == wanted


def test_the_same_folder_makes_the_same_bytes_whenever_and_with_whatever_modes(tmp_path: Path):
    one, other = plugin(tmp_path / "one"), plugin(tmp_path / "other")
    os.utime(other / "echo.py", (1, 1_000_000_000))
    (other / "echo.py").chmod(0o600)
    assert read(one).content == read(other).content
    (other / "echo.py").write_text("class Echo: pass\n")
    assert read(one).sha256 != read(other).sha256


def test_an_archive_is_taken_as_it_is(tmp_path: Path):
    built = read(plugin(tmp_path / "folder"))
    (tmp_path / "echo.mbp").write_bytes(built.content)
    assert read(tmp_path / "echo.mbp") == built


@pytest.mark.parametrize(
    ("definition", "told"),
    [
        ("id: a\nversion: 1\nmodules: [echo]\n", "has no main_class"),
        ("modules: [", "is no YAML"),
        (DEFINITION.replace("helpers", "gone"), "its module 'gone' is neither gone.py nor gone/__init__.py"),
        ("- a list", "has no id, version, modules, main_class"),
        (DEFINITION.replace("main_class: Echo", "main_class: gone/Echo"), "its module 'gone' is neither gone.py"),
        (DEFINITION.replace("templates/*.txt", "a**"), "extra_files name 'a**', which is no pattern"),
    ],
)
def test_a_folder_that_makes_no_plugin_is_refused_with_the_reason(tmp_path: Path, definition: str, told: str):
    with pytest.raises(InvalidInput, match="can't be used as a plugin") as error:
        read(plugin(tmp_path, definition))
    assert told in str(error.value)


@pytest.mark.parametrize("content", [b"no zip", None])
def test_a_file_that_is_no_plugin_is_refused(tmp_path: Path, content: bytes | None):
    path = tmp_path / "x.mbp"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match="can't be used as a plugin"):
        read(path)


def test_a_damaged_file_is_refused_by_the_name_of_what_is_damaged(tmp_path: Path):
    content = read(plugin(tmp_path / "folder")).content
    (tmp_path / "x.mbp").write_bytes(content.replace(b"class Echo", b"klass Echo", 1))
    with pytest.raises(InvalidInput, match=r"its echo\.py is damaged"):
        read(tmp_path / "x.mbp")


def test_a_folder_without_a_definition_is_refused(tmp_path: Path):
    with pytest.raises(InvalidInput, match=r"has no maubot\.yaml"):
        read(tmp_path)


def archive_with(path: Path, *, packed: int = zipfile.ZIP_DEFLATED, **files: bytes) -> Path:
    """Write an .mbp of these files; a name's `_` is a dot."""
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return path


SMALL = b"id: a\nversion: 1.0.0\nmodules: [echo]\nmain_class: Echo\n"


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"echo_py": b"x"}, "no item named 'maubot.yaml'"),
        ({"maubot_yaml": SMALL}, "its module 'echo' is neither echo.py nor echo/__init__.py"),
        ({"maubot_yaml": b"id: [", "echo_py": b"x"}, "maubot.yaml is no YAML"),
        ({"maubot_yaml": SMALL + b"#" * 2**21, "echo_py": b"x"}, "its maubot.yaml has 2097"),
    ],
    ids=["no definition", "no module", "no YAML", "a large definition"],
)
def test_an_archive_that_maubot_could_not_load_is_refused_before_anything_is_uploaded(
    tmp_path: Path, files: dict[str, bytes], told: str
):
    with pytest.raises(InvalidInput, match="nothing was uploaded") as error:
        read(archive_with(tmp_path / "x.mbp", **files))
    assert told in str(error.value)


def test_an_archive_that_unpacks_to_more_than_anybody_has_is_refused_without_unpacking_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = archive_with(tmp_path / "x.mbp", maubot_yaml=SMALL, echo_py=b"x = 1\n", data_bin=bytes(10**7))
    assert path.stat().st_size < 10**5
    read(path)
    monkeypatch.setattr("providers.kinds.matrix.archive.LARGEST_UNPACKED", 10**6)
    monkeypatch.delattr(zipfile.ZipFile, "read")
    with pytest.raises(InvalidInput, match="unpacked it would have more than"):
        read(path)


@pytest.mark.parametrize("as_folder", [True, False])
def test_an_archive_larger_than_maubot_takes_is_refused_before_it_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_folder: bool
):
    source = plugin(tmp_path / "folder")
    if not as_folder:
        content = read(source).content
        source = tmp_path / "x.mbp"
        source.write_bytes(content)
    monkeypatch.setattr("providers.kinds.matrix.archive.LARGEST_ARCHIVE", 100)
    with pytest.raises(InvalidInput, match=r"bytes, and maubot takes 100 .* at most; nothing was uploaded"):
        read(source)


@pytest.mark.parametrize("packed", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_an_archive_packed_in_a_way_that_maubots_importer_does_not_know_is_refused(tmp_path: Path, packed: int):
    with pytest.raises(InvalidInput, match=r"can't unpack its echo\.py"):
        read(archive_with(tmp_path / "x.mbp", packed=packed, maubot_yaml=SMALL, echo_py=b"x = 1\n"))


def test_a_file_whose_name_is_no_text_is_named(tmp_path: Path):
    (plugin(tmp_path) / "helpers" / os.fsdecode(b"caf\xe9.txt")).touch()
    with pytest.raises(InvalidInput, match="is no text in UTF-8"):
        read(tmp_path)

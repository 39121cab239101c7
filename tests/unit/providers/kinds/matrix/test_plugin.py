"""The kind MaubotPlugin against a maubot in memory."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from providers.errors import InvalidInput
from providers.kinds.matrix import plugin
from providers.kinds.matrix.archive import read
from providers.kinds.matrix.maubot_api import MaubotError
from providers.kinds.matrix.plugin import MaubotPluginFacts, MaubotPluginInputs
from tests.unit.providers.kinds.matrix.memory_servers import MAUBOT, Servers
from tests.unit.providers.kinds.matrix.test_archive import plugin as plugin_folder


def plugin_wish(folder: Path) -> MaubotPluginInputs:
    archive = read(plugin_folder(folder))
    return MaubotPluginInputs(host="box", plugin=archive.plugin, source=str(folder), sha256=archive.sha256)


async def test_a_plugin_is_uploaded_once_and_only_if_it_differs(tmp_path: Path):
    servers, wish = Servers(), plugin_wish(tmp_path)
    for _ in range(2):
        await plugin.apply(servers.session, wish, await plugin.observe(servers.session, wish))
    assert servers.maubot.changes == ["PUT plugin org.example.echo"]
    servers.session.put("/var/lib/maubot/plugins/org.example.echo.mbp", "another archive")
    assert plugin.KIND.differences(wish, await plugin.observe(servers.session, wish)).keys() == {"sha256"}
    await plugin.apply(servers.session, wish, await plugin.observe(servers.session, wish))
    assert len(servers.maubot.changes) == 2


async def test_a_plugin_that_maubot_crashes_on_is_taken_away_and_the_one_before_put_back(tmp_path: Path):
    servers, wish = Servers(), plugin_wish(tmp_path)
    servers.maubot.crashes_on = b"PK"
    servers.maubot._plugin(wish.plugin, b"theirs")
    with pytest.raises(MaubotError, match=r"could not load .*; what was there before was put back, and runs"):
        await plugin.apply(servers.session, wish, await plugin.observe(servers.session, wish))
    assert servers.session.files["/var/lib/maubot/plugins/org.example.echo.mbp"].content == b"theirs"


async def test_a_new_plugin_that_maubot_crashes_on_does_not_stay_where_its_next_start_ends_at_it(tmp_path: Path):
    servers, wish = Servers(), plugin_wish(tmp_path)
    servers.session.put("/var/lib/maubot/plugins/another.mbp", b"another")
    servers.maubot.crashes_on = b"PK"
    with pytest.raises(MaubotError, match=r"could not load .*; it was taken away again"):
        await plugin.apply(servers.session, wish, await plugin.observe(servers.session, wish))
    left = [path for path in servers.session.files if path.endswith(".mbp")]
    assert left == ["/var/lib/maubot/plugins/another.mbp"]


async def test_a_plugin_that_was_there_comes_back(tmp_path: Path):
    servers, wish = Servers(), plugin_wish(tmp_path)
    servers.maubot._plugin(wish.plugin, b"theirs")
    before = await plugin.observe(servers.session, wish)
    await plugin.apply(servers.session, wish, before)
    await plugin.restore(servers.session, wish, before)
    assert servers.session.files["/var/lib/maubot/plugins/org.example.echo.mbp"].content == b"theirs"
    await plugin.restore(servers.session, wish, MaubotPluginFacts(present=False))
    assert servers.maubot.plugins == {}


async def test_a_plugin_that_others_use_stays_and_does_not_keep_destroy_from_its_end(tmp_path: Path):
    servers, wish = Servers(), plugin_wish(tmp_path)
    await plugin.apply(servers.session, wish, MaubotPluginFacts(present=False))
    servers.maubot.instances["theirs"] = {"type": wish.plugin, "primary_user": "@a:b"}
    await plugin.restore(servers.session, wish, MaubotPluginFacts(present=False))
    assert wish.plugin in servers.maubot.plugins
    assert any(
        f"the plugin {wish.plugin} stays in maubot" in line and "remove its instances first" in line
        for line in servers.session.messages
    )


@pytest.mark.parametrize("change", [{"plugin": "another.id"}, {"sha256": "0" * 64}])
async def test_another_plugin_than_the_wished_one_is_never_uploaded(tmp_path: Path, change: dict[str, str]):
    servers, wish = Servers(), plugin_wish(tmp_path).model_copy(update=change)
    with pytest.raises(InvalidInput, match="nothing was uploaded"):
        await plugin.apply(servers.session, wish, MaubotPluginFacts(present=False))
    assert servers.maubot.changes == []


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("echo.py", b"class Echo: ...\nthis is no Python\n", r"echo\.py, line 2: invalid syntax"),
        ("helpers/deep/more.py", b"def more(:\n", r"helpers/deep/more\.py, line 1: invalid syntax"),
        ("echo.py", b"def echo():\nreturn 1\n", r"echo\.py, line 2: expected an indented block"),
        ("echo.py", b"return 1\n", r"echo\.py, line 1: 'return' outside function"),
        ("echo.py", "x = '\u00fc'\n".encode("latin-1"), r"echo\.py.*(utf-8|UTF-8)"),
        ("echo.py", b"# coding: nonsense\n", r"echo\.py.*nonsense"),
        ("echo.py", b"x = 1\0\n", r"echo\.py.*null bytes"),
        ("echo.py", b"x = " + b"(" * 10_000 + b"\n", r"echo\.py"),
    ],
)
async def test_a_plugin_that_does_not_compile_is_refused_with_file_and_line_and_nothing_is_uploaded(
    tmp_path: Path, file: str, content: bytes, told: str
):
    (plugin_folder(tmp_path) / file).write_bytes(content)
    archive = read(tmp_path)
    wish = MaubotPluginInputs(host="box", plugin=archive.plugin, source=str(tmp_path), sha256=archive.sha256)
    servers = Servers()
    with pytest.raises(InvalidInput, match=f"no Python that box takes .*{told}.*; nothing was uploaded"):
        await plugin.apply(servers.session, wish, MaubotPluginFacts(present=False))
    assert servers.maubot.changes == []


async def test_what_maubot_does_not_import_need_not_compile(tmp_path: Path):
    (plugin_folder(tmp_path) / "templates" / "a.txt").write_text("no Python\n")
    servers, wish = Servers(), plugin_wish(tmp_path)
    await plugin.apply(servers.session, wish, MaubotPluginFacts(present=False))
    assert servers.maubot.changes == ["PUT plugin org.example.echo"]


async def test_of_many_files_that_do_not_compile_some_are_named_and_the_rest_counted(tmp_path: Path):
    plugin_folder(tmp_path)
    for number in range(9):
        (tmp_path / "helpers" / f"h{number}.py").write_text("(")
    archive = read(tmp_path)
    wish = MaubotPluginInputs(host="box", plugin=archive.plugin, source=str(tmp_path), sha256=archive.sha256)
    with pytest.raises(InvalidInput, match=r"helpers/h4\.py, line 1: [^;]* and 4 files more; nothing"):
        await plugin.apply(Servers().session, wish, MaubotPluginFacts(present=False))


async def test_what_maubot_could_not_import_is_told_in_pythons_own_words(tmp_path: Path):
    servers, wish = Servers(), plugin_wish(tmp_path)
    maubot = servers.session.web[MAUBOT]
    trace = (
        "Traceback (most recent call last):\n  File \"echo.py\", line 1\nModuleNotFoundError: No module named 'nowhere'"
        "\n\nDuring handling of the above exception, another exception occurred:\n\n"
        "maubot.loader.zip.MaubotZipLoadError: Failed to load module echo\n"
    )

    def refusing(request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            body = {"errcode": "plugin_invalid", "error": "Failed to load module echo", "stacktrace": trace}
            return httpx.Response(400, json=body)
        return maubot(request)

    servers.session.web[MAUBOT] = refusing
    with pytest.raises(MaubotError, match="refused to take the plugin") as error:
        await plugin.apply(servers.session, wish, MaubotPluginFacts(present=False))
    assert "Failed to load module echo (ModuleNotFoundError: No module named 'nowhere')" in str(error.value)
    assert "what was there before still runs" in str(error.value)

"""Files that take effect by themselves: who else may write into them, and who reads them anew."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from providers.kinds.block import kind as block
from providers.kinds.block.facts import BlockInputs
from providers.kinds.file import KIND as FILE
from providers.kinds.file import FileInputs
from providers.kinds.takes_effect import mount_point, read_all_anew, read_anew, strangers
from providers.machine.session import Account, Stat
from tests.unit.providers.kinds.fake_session import FakeSession

SHARE = "//server/share /srv/share cifs noauto,x-systemd.automount 0 0\n"


def machine() -> FakeSession:
    """Make a machine with an account whose service manager runs."""
    session = FakeSession().on("sh").on("systemctl --user show")
    session.accounts["ann"] = Account("ann", 1000, 1000, "ann", (), "/home/ann", "/bin/sh", "")
    return session.on("getent passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann/:/bin/sh\n")


def of(mode: str, owner: str = "root", group: str = "root", attributes: Mapping[str, str] | None = None) -> Stat:
    return Stat("file", mode, owner, group, 0, b"", attributes=attributes or {})


@pytest.mark.parametrize(
    ("path", "stat", "mode", "owner"),
    [
        ("/srv/app/config", of("0646"), "0644", None),
        ("/srv/app/config", of("0664", "ann", "ann"), None, None),
        ("/etc/fstab", of("0666"), "0664", None),  # the group is root's own
        ("/etc/fstab", of("0664", "root", "ann"), "0644", None),
        ("/etc/fstab", of("0644", "ann"), None, "root"),
        ("/etc/sudoers.d/ann", of("0460", "ann", "ann"), "0440", "root"),
        ("/etc/cron.d/job", of("0664", attributes={"system.posix_acl_access": "AgAA"}), "0644", None),
        ("/etc/systemd/system/a.service.d/b.conf", of("0602", "1000", "0"), "0600", "root"),
        ("/var/spool/cron/crontabs/root", of("0600", "root", "crontab"), None, None),
        ("/var/spool/cron/crontabs/ann", of("0600", "ann", "crontab"), None, None),  # cron does it as ann
        ("/etc/ssh/sshd_config", of("0664", "root", "adm"), "0644", None),
        ("/etc/ssh/authorized_keys.d/ann", of("0600", "ann", "ann"), None, None),
        ("/etc/containers/systemd/users/1000/web.container", of("0644", "ann", "ann"), None, None),
        ("/usr/local/bin/tool", of("0775", "root", "staff"), "0755", None),
        ("/etc/motd", of("0644", "ann"), None, None),
        ("/etc/fstab", of("0644"), None, None),
    ],
)
def test_who_may_write_what_takes_effect_is_known_and_kept_from_it(
    path: str, stat: Stat, mode: str | None, owner: str | None
):
    found = strangers(path, stat)
    assert (found.mode, found.owner) == (mode, owner)
    assert bool(found.reasons) == (mode is not None or owner is not None)


def test_what_is_wished_is_no_stranger():
    assert strangers("/etc/fstab", of("0666", "ann", "ann"), mode=True, owner=True).reasons == ()


async def test_a_file_that_everybody_may_write_is_drift_is_closed_and_opened_again_by_destroy():
    session, inputs = machine(), FileInputs(host="box", path="/etc/environment", content="A=1\n")
    session.put(inputs.path, "A=1\n", mode="0666")
    before = await FILE.observe(session, inputs)
    assert "everybody may write into it: its mode is 0666" in str(FILE.differences(inputs, before))
    await FILE.apply(session, inputs, before)
    assert session.files[inputs.path].mode == "0664"
    assert FILE.differences(inputs, await FILE.observe(session, inputs)) == {}
    await FILE.restore(session, inputs, before)
    assert session.files[inputs.path].mode == "0666"
    assert session.files[inputs.path].content == b"A=1\n"


async def test_a_mode_that_was_asked_for_is_left_alone():
    session, inputs = machine(), FileInputs(host="box", path="/etc/environment", content="A=1\n", mode="0666")
    session.put(inputs.path, "A=1\n", mode="0666")
    assert FILE.differences(inputs, await FILE.observe(session, inputs)) == {}


@pytest.mark.parametrize(("mode", "owner"), [("0666", "root"), ("0622", "root"), ("0644", "ann")])
async def test_an_fstab_that_a_stranger_may_write_is_drift_of_the_block_and_closed(mode: str, owner: str):
    session = machine()
    inputs = BlockInputs(host="box", path="/etc/fstab", name="share", content=SHARE)
    session.put("/etc/fstab", "# theirs\n")
    await block.apply(session, inputs, await block.observe(session, inputs))
    session.put("/etc/fstab", session.files["/etc/fstab"].content or b"", mode=mode, owner=owner)
    drifted = await block.observe(session, inputs)
    assert "may write into it" in str(block.KIND.differences(inputs, drifted))
    await block.apply(session, inputs, drifted)
    assert session.files["/etc/fstab"].mode in ("0644", "0664", "0620")
    assert session.files["/etc/fstab"].owner == "root"
    assert block.KIND.differences(inputs, await block.observe(session, inputs)) == {}


@pytest.mark.parametrize("other", ["tmpfs /srv/share tmpfs x 0 0", "UUID=1 /srv/share/ ext4", "b /srv//share auto"])
async def test_a_line_for_the_same_mount_point_that_comes_first_is_drift_and_overtaken(other: str):
    session = machine()
    inputs = BlockInputs(host="box", path="/etc/fstab", name="share", content=SHARE)
    session.put("/etc/fstab", "# theirs\n/dev/a / ext4\n")
    before = await block.observe(session, inputs)
    await block.apply(session, inputs, before)
    text = (session.files["/etc/fstab"].content or b"").decode()
    session.put("/etc/fstab", text.replace("/dev/a", f"{other}\n/dev/a"))
    drifted = await block.observe(session, inputs)
    assert "line 2 says something else of /srv/share and comes first" in str(block.KIND.differences(inputs, drifted))
    await block.apply(session, inputs, drifted)
    assert block.KIND.differences(inputs, await block.observe(session, inputs)) == {}
    lines = (session.files["/etc/fstab"].content or b"").decode().split("\n")
    assert lines.index(SHARE.strip()) < lines.index(other)
    await block.restore(session, inputs, before)
    assert session.files["/etc/fstab"].content == f"# theirs\n{other}\n/dev/a / ext4\n".encode()


async def test_a_line_for_the_same_mount_point_that_comes_last_is_told():
    session = machine()
    inputs = BlockInputs(host="box", path="/etc/fstab", name="share", content="x /srv/late auto\n")
    session.put("/etc/fstab", "# theirs\n")
    await block.apply(session, inputs, await block.observe(session, inputs))
    session.put("/etc/fstab", (session.files["/etc/fstab"].content or b"") + b"a /srv/late auto\n")
    facts = await block.observe(session, inputs)
    assert block.KIND.differences(inputs, facts) == {}
    assert "line 5 says something else of /srv/late: the block's line counts" in session.messages[-1]


async def test_a_new_block_goes_before_a_line_for_its_mount_point():
    session = machine()
    inputs = BlockInputs(host="box", path="/etc/fstab", name="share", content=SHARE)
    session.put("/etc/fstab", "a /srv/share auto\nb /b auto\n")
    before = await block.observe(session, inputs)
    await block.apply(session, inputs, before)
    assert (session.files["/etc/fstab"].content or b"").startswith(b"# BEGIN hearth share\n")
    await block.restore(session, inputs, before)
    assert session.files["/etc/fstab"].content == b"a /srv/share auto\nb /b auto\n"


@pytest.mark.parametrize(
    ("line", "point"),
    [
        ("a /srv/with\\040blank auto 0 0", "/srv/with blank"),
        ("\t a\t/b/\tauto", "/b"),
        ("LABEL=My\u00a0Disk /srv/no\u00a0break\u2003blank auto", "/srv/no\u00a0break\u2003blank"),
        ("a /srv/M\\303\\274ll auto", "/srv/Müll"),
        ("# a /b auto", None),
        ("a none swap", None),
        ("", None),
        ("a", None),
    ],
)
def test_a_mount_point_is_read_as_fstab_has_it(line: str, point: str | None):
    assert mount_point(line) == point


@pytest.mark.parametrize(
    ("path", "by"),
    [
        ("/etc/systemd/system/web.service", "system"),
        ("/etc/systemd/system/web.service.d/limits.conf", "system"),
        ("/etc/containers/systemd/web.container.d/a.conf", "system"),
        ("/etc/fstab", "system"),
        ("/home/ann/.config/systemd/user/web.service.d/a.conf", "ann"),
        ("/home/ann/.config/containers/systemd/web.container", "ann"),
        ("/etc/systemd/user/all.service", "all"),
        ("/etc/containers/systemd/users/1000/web.container", "all"),
        ("/home/bob/.config/systemd/user/web.service", ""),
        ("/etc/systemd/journald.conf", ""),
        ("/etc/motd", ""),
    ],
)
async def test_whoever_reads_a_file_reads_it_anew_when_it_was_changed(path: str, by: str):
    session = machine()
    await read_anew(session, path, "old", "old")
    assert session.calls == []
    await read_anew(session, path, "", "new")
    scripts = [call for call in session.calls if call.script and "-ef" not in call.script]
    found = {(call.user or "system") if "daemon-reload" in str(call.script) else "all" for call in scripts}
    assert found == ({by} if by else set())


async def test_a_manager_is_found_by_a_home_that_a_link_leads_to():
    session = machine().on("sh", "/home/ann\n")
    await read_anew(session, "/srv/homes/ann/.config/systemd/user/web.service", "", "new")
    (asked,) = [call for call in session.calls if "-ef" in (call.script or "")]
    assert asked.stdin == b"/srv/homes/ann\n/root\n/home/ann\n"
    assert [call.user for call in session.calls if "daemon-reload" in (call.script or "")] == ["ann"]


async def test_many_files_that_one_manager_reads_are_read_once():
    session = machine()
    await read_all_anew(
        session,
        {
            "/etc/systemd/system/a.service": ("", "a"),
            "/etc/systemd/system/b.service.d/c.conf": ("b", "c"),
            "/etc/systemd/system/gone.mount": ("x", ""),
            "/etc/fstab": (SHARE, ""),
            "/home/ann/.config/systemd/user/a.service": ("", "a"),
            "/home/ann/.config/systemd/user/b.service": ("", "b"),
            "/home/nobody/.config/systemd/user/b.service": ("", "b"),
            "/etc/systemd/system/same.service": ("a", "a"),
            "/srv/www/index.html": ("", "a"),
        },
    )
    reloads = [call for call in session.calls if "daemon-reload" in (call.script or "")]
    assert [call.user for call in reloads] == [None, "ann"]
    (forgotten,) = [call for call in session.calls if call.stdin and "-ef" not in (call.script or "")]
    assert forgotten.stdin in ("gone.mount\n/srv/share\n", b"gone.mount\n/srv/share\n")


async def test_what_was_made_of_a_line_that_goes_goes_with_it():
    session = machine()
    await read_anew(session, "/etc/fstab", f"{SHARE}a /b auto\n", "a /b auto\n")
    assert session.calls[-1].stdin == b"/srv/share\n"
    await read_anew(session, "/etc/systemd/system/web.service", "text", "")
    assert session.calls[-1].stdin == b"web.service\n"

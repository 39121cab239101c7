"""The checks of a SecondBrain host, against a machine in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from checks import __main__ as program
from checks import stack
from checks.result import CheckResult, Status, exit_code
from checks.secondbrain import check_host
from checks.secondbrain.codes import Code
from checks.secondbrain.host import check_prerequisites, check_us1, check_us2
from checks.secondbrain.share import check_us3
from checks.stack import StackUnknown, deployed, machines_of, settings_of
from components.secondbrain.deployed import DeployedSecondBrain
from config.mistakes import WrongSettings
from providers.machine.session import Account, Completed
from tests.unit.providers.kinds.fake_session import Call, FakeSession

UNITS = ["secondbrain-pod.service", "secondbrain-ollama.service", "secondbrain-backend.service"]
SHARE = {
    "server": "windows",
    "name": "PersonalAssistantHub",
    "port": None,
    "mount_point": "/mnt/PersonalAssistantHub",
    "credentials_file": "/etc/samba/credentials.secondbrain",
}
WRITTEN: dict[str, Any] = {
    "host": "brain",
    "manager": "quadlet",
    "account": "secondbrain",
    "account_uid": 990,
    "account_home": "/var/lib/secondbrain",
    "subordinate_range": "165536:65536",
    "pod": "secondbrain",
    "units": UNITS,
    "start_timeout": 0,
    "health_interval": 0,
    "backend_url": "http://127.0.0.1:8000",
    "health_path": "/health",
    "ollama_url": "http://127.0.0.1:11434",
    "share": SHARE,
}
DEPLOYED = DeployedSecondBrain.parse("secondbrain", WRITTEN)
FSTAB = (
    "//windows/PersonalAssistantHub /mnt/PersonalAssistantHub cifs credentials=/etc/samba/credentials.secondbrain,"
    "uid=990,gid=985,file_mode=0640,dir_mode=0750,soft,_netdev,x-systemd.automount,nofail,ro 0 0\n"
)
LISTING = "  .    D  0  Sat\n  ..   D  0  Sat\n  notes  D  0  Sat\n  README.txt  N  12  Sat\n\n\t\t1 blocks\n"
SHOWN = "\n\n".join(
    f"Id={unit}\nLoadState=loaded\nRestart={'on-failure' if 'pod' in unit else 'always'}" for unit in UNITS
)


def working() -> FakeSession:
    """Return a machine on which everything is as it should be, but for a kernel without CIFS."""
    session = FakeSession(machine="brain")
    session.accounts["secondbrain"] = Account(
        "secondbrain", 990, 985, "secondbrain", (), "/var/lib/secondbrain", "/usr/sbin/nologin", ""
    )
    for path in ("/etc/subuid", "/etc/subgid"):
        session.put(path, "admin:100000:65536\nsecondbrain:165536:65536\n")
    session.put("/etc/samba/credentials.secondbrain", "x", mode="0600")
    session.put("/etc/fstab", FSTAB)
    session.on("sh", "")
    session.on("sh -c grep -qw cifs", 1)
    session.on("loginctl show-user secondbrain", "Linger=yes\n")
    session.on("getent passwd", "root:x:0:0::/root:/bin/bash\nold:x:1000:1000::/home/backstage440:/bin/bash\n")
    session.on("systemctl --user show --property=Id", SHOWN)
    session.on("systemctl --user show --property=Wants", f"{' '.join(UNITS)} basic.target\n")
    session.on("systemctl --user is-active", "active\n" * len(UNITS))
    session.on("python3 -c", '200 {"status":"ok"}\n')
    session.on("systemd-escape", "mnt-PersonalAssistantHub.automount\n")
    session.on("systemctl is-active mnt-", "active\n")
    session.on("smbclient", LISTING)
    return session


def failures(rows: list[CheckResult]) -> list[str]:
    return [row.reason for row in rows if row.status is Status.FAIL]


async def test_a_machine_where_all_is_well_passes_and_the_mount_is_a_skip_that_says_why():
    rows = await check_host(working(), DEPLOYED)
    assert failures(rows) == []
    skipped = [row for row in rows if row.status is Status.SKIP]
    assert [row.question for row in skipped] == ["/mnt/PersonalAssistantHub is mounted"]
    assert "kernel has no CIFS" in skipped[0].reason
    assert {row.story for row in rows} == {"US1", "US2", "US3"}
    assert exit_code(rows) == 0


async def test_missing_prerequisites_are_named_with_exit_code_1():
    rows = await check_prerequisites(working().on("sh", "podman\nmachinectl\n"), DEPLOYED)
    assert failures(rows) == ["missing: podman, machinectl. Run `make up` again"]
    assert exit_code(rows) == Code.PREREQUISITES == 1


async def test_a_missing_account_is_exit_code_2():
    session = working()
    session.accounts.clear()
    rows = await check_us1(session, DEPLOYED)
    assert failures(rows) == ["there is no such user. Run `make up` again"]
    assert exit_code(rows) == Code.ACCOUNT == 2
    # Nothing else is asked as an account that is not there: that would be refused, and no row would be shown.
    whole = await check_host(session, DEPLOYED)
    assert exit_code(whole) == Code.ACCOUNT
    assert [row.status for row in whole] == [Status.PASS, Status.FAIL, Status.SKIP]


async def test_a_login_shell_fails():
    session = working()
    account = session.accounts["secondbrain"]
    session.accounts["secondbrain"] = Account(**{**account.__dict__, "shell": "/bin/bash"})
    assert "shell /bin/bash" in failures(await check_us1(session, DEPLOYED))[0]


async def test_missing_subordinate_ids_fail():
    session = working()
    session.put("/etc/subgid", "admin:100000:65536\n")
    assert failures(await check_us1(session, DEPLOYED))[0].startswith("/etc/subgid has no secondbrain:165536:65536")


async def test_overlapping_subordinate_ids_fail_with_the_owners_name():
    session = working()
    session.put("/etc/subuid", "secondbrain:165536:65536\nadmin:200000:65536\n")
    assert "165536:65536 overlaps admin:200000:65536" in failures(await check_us1(session, DEPLOYED))[0]


async def test_no_linger_fails():
    rows = await check_us1(working().on("loginctl show-user", "Linger=no\n"), DEPLOYED)
    assert failures(rows) == ["Linger=no. Run `make up` again"]


async def test_a_home_that_the_account_can_read_fails_with_the_user_to_name_in_the_settings():
    session = working().on("sh -c for home", "/home/backstage440\n")
    rows = await check_us1(session, DEPLOYED)
    assert failures(rows) == ["it can read /home/backstage440. Add old to hearth:secondbrain.account.private-homes"]
    asked = next(call for call in session.calls if call.line.startswith("sh -c for home"))
    assert asked.user == "secondbrain"
    assert asked.argv[-2:] == ("/home/backstage440", "/root")


async def test_units_that_are_not_there_are_exit_code_3():
    session = working().on(
        "systemctl --user show --property=Id", SHOWN.replace("LoadState=loaded", "LoadState=not-found")
    )
    rows = await check_us2(session, DEPLOYED)
    assert failures(rows)[0].startswith("not there: secondbrain-backend.service, ")
    assert exit_code(rows) == Code.CONFIGURATION == 3


async def test_units_that_do_not_start_at_boot_fail():
    rows = await check_us2(working().on("systemctl --user show --property=Wants", "basic.target\n"), DEPLOYED)
    assert failures(rows)[0].startswith("default.target does not want secondbrain-backend.service")


async def test_containers_that_are_not_restarted_fail():
    session = working().on("systemctl --user show --property=Id", SHOWN.replace("Restart=always", "Restart=no"))
    assert failures(await check_us2(session, DEPLOYED))[0].startswith(
        "Restart is not always: secondbrain-ollama.service"
    )


async def test_a_pod_that_is_not_running_in_time_is_exit_code_4_with_its_last_log_lines():
    session = working().on("systemctl --user is-active", Completed(3, "active\nactive\nfailed\n", ""))
    session.on("journalctl", "no such image\n")
    rows = await check_us2(session, DEPLOYED)
    assert failures(rows) == ["secondbrain-backend.service is failed. Its last log lines: no such image"]
    assert exit_code(rows) == Code.NOT_RUNNING == 4
    # A system user may not read what its own services wrote.
    assert next(call for call in session.calls if call.argv[0] == "journalctl").user is None


async def test_a_pod_that_is_late_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("checks.secondbrain.host.POLL_SECONDS", 0.0)
    states = iter(["activating\nactive\nactive\n", "active\n" * 3])
    session = working().on("systemctl --user is-active", lambda _call: next(states))
    assert (
        failures(await check_us2(session, DeployedSecondBrain.model_validate({**WRITTEN, "start_timeout": 60}))) == []
    )


async def test_a_backend_that_does_not_answer_fails():
    def answer(call: Call) -> Completed:
        return Completed(1, "", "refused") if ":8000" in call.line else Completed(0, "200 {}", "")

    rows = await check_us2(working().on("python3 -c", answer), DEPLOYED)
    assert [row.question for row in rows if row.status is Status.FAIL] == ["the backend answers"]


async def test_an_ollama_that_is_not_published_is_not_asked():
    session = working()
    await check_us2(session, DeployedSecondBrain.model_validate({**WRITTEN, "ollama_url": None}))
    assert not any("11434" in line for line in session.lines())


async def test_under_podmgr_its_own_status_counts():
    podmgr = DeployedSecondBrain.model_validate({**WRITTEN, "manager": "podmgr", "units": []})
    session = working().on("/bin/bash -c source", "ollama       running\nbackend      running\n")
    assert failures(await check_us2(session, podmgr)) == []
    session.on("/bin/bash -c source", "ollama       running\nbackend      starting\n")
    rows = await check_us2(session, podmgr)
    assert "backend      starting" in failures(rows)[0]
    assert exit_code(rows) == 4


async def test_credentials_that_others_may_read_are_exit_code_5():
    session = working()
    session.put("/etc/samba/credentials.secondbrain", "x", mode="0644")
    rows = await check_us3(session, DEPLOYED)
    assert "0644 root:root" in failures(rows)[0]
    assert exit_code(rows) == Code.SHARE == 5


async def test_a_missing_line_in_fstab_fails():
    session = working()
    session.put("/etc/fstab", "")
    assert "/etc/fstab has 0 lines" in failures(await check_us3(session, DEPLOYED))[0]


async def test_a_line_without_an_option_of_the_task_list_fails():
    session = working()
    session.put("/etc/fstab", FSTAB.replace(",nofail", "").replace("uid=990", "uid=1"))
    assert "/etc/fstab lacks nofail, uid=990" in failures(await check_us3(session, DEPLOYED))[0]


async def test_an_automount_that_is_off_fails():
    session = working().on("systemctl is-active mnt-", Completed(3, "inactive\n", ""))
    assert "mnt-PersonalAssistantHub.automount is inactive" in failures(await check_us3(session, DEPLOYED))[0]


async def test_without_cifs_the_files_are_listed_by_smbclient_with_the_same_credentials():
    session = working()
    rows = await check_us3(session, DEPLOYED)
    assert "2 entries, by smbclient" in rows[-1].reason
    asked = next(call for call in session.calls if call.argv[0] == "smbclient")
    assert asked.argv[1:4] == ("//windows/PersonalAssistantHub", "--authentication-file", SHARE["credentials_file"])


async def test_without_cifs_and_without_smbclient_the_files_are_a_skip():
    rows = await check_us3(working().on("sh -c command -v smbclient", 1), DEPLOYED)
    assert rows[-1].status is Status.SKIP
    assert "smbclient is not installed" in rows[-1].reason


async def test_a_windows_machine_that_is_off_fails_with_a_hint():
    session = working().on("smbclient", Completed(1, "", "NT_STATUS_HOST_UNREACHABLE"))
    assert failures(await check_us3(session, DEPLOYED)) == [
        "//windows/PersonalAssistantHub: NT_STATUS_HOST_UNREACHABLE. "
        "Is the Windows machine on, and does it let this user in?"
    ]


async def test_with_cifs_the_account_itself_lists_the_files():
    session = working().on("sh -c grep -qw cifs", 0).on("ls /mnt/PersonalAssistantHub", "a\nb\n")
    session.on("python3 -I -c", "3.1 12 /mnt/PersonalAssistantHub/a\n")
    rows = await check_us3(session, DEPLOYED)
    assert [(row.status, row.reason[:9]) for row in rows[-2:]] == [
        (Status.PASS, "2 entries"),
        (Status.PASS, "/mnt/Pers"),
    ]
    assert [call.user for call in session.calls[-2:]] == ["secondbrain"] * 2


async def test_a_host_without_a_share_skips_its_story():
    rows = await check_us3(working(), DeployedSecondBrain.model_validate({**WRITTEN, "share": None}))
    assert [row.status for row in rows] == [Status.SKIP]


@pytest.mark.parametrize(("codes", "result"), [([], 0), ([5], 5), ([5, 2, 4], 2), ([4, 3], 3), ([1, 5], 1)])
def test_the_exit_code_is_that_of_what_has_to_be_mended_first(codes: list[int], result: int):
    rows = [CheckResult("US", "q", Status.FAIL, "r", code) for code in codes]
    assert exit_code([CheckResult("US", "q", Status.SKIP, "r", Code.ACCOUNT), *rows]) == result


def test_the_machines_of_a_stack_are_read_from_its_file(tmp_path: Path):
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text("config:\n  hearth:hosts:\n    brain: {port: 2222}\n  hearth:secondbrain: {host: brain}\n")
    assert machines_of(settings_of(tmp_path, "dev"), path.name).hosts["brain"].port == 2222


def test_wrong_machines_are_listed_as_mistakes(tmp_path: Path):
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text("config:\n  hearth:hosts:\n    brain: {prt: 2222}\n")
    with pytest.raises(WrongSettings, match=r"Pulumi\.dev\.yaml"):
        machines_of(settings_of(tmp_path, "dev"), path.name)


def test_a_stack_without_settings_is_an_error_with_a_remedy(tmp_path: Path):
    with pytest.raises(StackUnknown, match=r"Pulumi\.none\.yaml can't be read"):
        settings_of(tmp_path, "none")


def test_a_stack_with_nothing_deployed_ends_with_exit_code_1_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    monkeypatch.setattr(stack, "outputs_of", lambda *_: {})
    assert program.main(["--project", str(tmp_path)]) == 1
    assert "What to do: make up STACK=dev" in capsys.readouterr().err


def test_outputs_that_are_no_systems_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    monkeypatch.setattr(stack, "outputs_of", lambda *_: {"url": "x", "secondbrain": WRITTEN})
    assert set(deployed(tmp_path, "dev").systems) == {"secondbrain"}

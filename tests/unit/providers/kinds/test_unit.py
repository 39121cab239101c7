"""The kind Unit against a machine in memory with a service manager."""

import pytest

from providers.errors import HearthError, InvalidInput, NotConverged
from providers.kinds.unit.facts import STAMPS, UNFINISHED, UnitInputs
from providers.kinds.unit.kind import KIND
from providers.machine.session import Completed, Stat
from tests.unit.providers.kinds.fake_session import Call
from tests.unit.providers.kinds.fake_systemd import SYSTEM_FOLDER, SystemdMachine
from tests.unit.providers.kinds.unit_trial import TEXT, WISH, hurry, make

__all__ = ["hurry"]

POD = UnitInputs(host="box", name="web.container", user="pod", running=True, text=f"[Container]\nImage=a\n{TEXT}")


def with_(wish: UnitInputs, **changes: object) -> UnitInputs:
    return UnitInputs.model_validate({**wish.model_dump(), **changes})


async def test_a_new_unit_runs_without_a_reload_of_all_the_others():
    machine = SystemdMachine()
    files = dict(machine.files)
    before = await make(machine, WISH)
    assert (machine.state("web.service"), machine.wants, machine.reloads) == ("active", {"web.service"}, 0)
    await KIND.restore(machine, WISH, before)
    assert (machine.state("web.service"), machine.wants, machine.files) == ("absent", set(), files)


async def test_a_unit_that_others_want_is_made_known_by_a_reload():
    machine = SystemdMachine()
    await make(machine, with_(WISH, text=TEXT.replace("multi-user.target", "other.service")))
    assert machine.reloads == 1


async def test_a_changed_text_is_reloaded_and_restarts_what_runs():
    machine = SystemdMachine()
    await make(machine, WISH)
    await make(machine, with_(WISH, text=f"# new\n{TEXT}"))
    assert (machine.units["web.service"].starts, machine.reloads) == (2, 1)
    assert not [path for path in machine.files if path.startswith(f"{STAMPS}/")]


async def test_a_changed_text_starts_nothing_that_was_not_running():
    machine = SystemdMachine()
    wish = with_(WISH, running=None)
    await make(machine, wish)
    await make(machine, with_(wish, text=f"# new\n{TEXT}"))
    assert machine.units["web.service"].starts == 0


async def test_a_change_of_restart_on_restarts_once():
    machine = SystemdMachine()
    await make(machine, with_(WISH, restart_on=["a"]))
    assert machine.units["web.service"].starts == 1
    await make(machine, with_(WISH, restart_on=["a"]))
    assert machine.units["web.service"].starts == 1
    changed = with_(WISH, restart_on=["b"])
    assert KIND.differences(changed, await KIND.observe(machine, changed)).keys() == {"restart_on"}
    await make(machine, changed)
    assert (machine.units["web.service"].starts, machine.reloads) == (2, 0)


async def test_a_change_of_start_timeout_alone_restarts_nothing():
    machine = SystemdMachine()
    await make(machine, WISH)
    await KIND.apply(machine, with_(WISH, start_timeout=5), await KIND.observe(machine, WISH))
    assert machine.units["web.service"].starts == 1


async def test_a_restart_that_was_cut_off_is_made_up_for():
    machine = SystemdMachine()
    await make(machine, WISH)
    changed = with_(WISH, text=f"# new\n{TEXT}")
    machine.on("systemctl restart", lambda _call: (_ for _ in ()).throw(ConnectionError("cut")))
    with pytest.raises(ConnectionError):
        await KIND.apply(machine, changed, await KIND.observe(machine, changed))
    machine.on("systemctl restart", machine._systemctl)
    found = await KIND.observe(machine, changed)
    assert found.text == f"# new\n{TEXT}{UNFINISHED}"
    await make(machine, changed)
    assert machine.units["web.service"].starts == 2


DEPENDENCY, CANCELED = "A dependency job for web.service failed.", "Job for web.service canceled."


@pytest.mark.parametrize("said", [[DEPENDENCY], [CANCELED], [DEPENDENCY, CANCELED], [CANCELED, CANCELED]])
async def test_a_restart_that_meets_the_stop_of_its_pod_is_followed_by_a_start(said: list[str]):
    machine, left = SystemdMachine(), list(said)

    def answer(call: Call) -> Completed:
        return Completed(1, "", left.pop(0)) if left else machine._systemctl(call)

    await make(machine, with_(WISH, restart_on=["a"]))
    machine.on("systemctl restart", answer).on("systemctl start", answer)
    await make(machine, with_(WISH, restart_on=["b"]))
    assert left == []
    assert machine.units["web.service"].starts == 2


async def test_a_start_that_is_canceled_for_good_is_a_failure():
    machine = SystemdMachine()
    await make(machine, with_(WISH, restart_on=["a"]))
    machine.units["web.service"].state = "deactivating"
    canceled = Completed(1, "", CANCELED)
    machine.on("systemctl restart", canceled).on("systemctl start", canceled)
    changed = with_(WISH, restart_on=["b"])
    with pytest.raises(NotConverged, match="did not start: it is deactivating"):
        await KIND.apply(machine, changed, await KIND.observe(machine, changed))
    assert sum(line.endswith(" web.service") and " start" in line for line in machine.lines()) <= 3


async def test_a_unit_that_was_there_comes_back_with_its_text_and_states():
    machine = SystemdMachine()
    machine.add("web.service", "[Service]\nExecStart=/old\n", state="active")
    machine.put(f"{SYSTEM_FOLDER}/web.service", "[Service]\nExecStart=/old\n", mode="0600", group="adm")
    files = dict(machine.files)
    before = await make(machine, WISH)
    await KIND.restore(machine, WISH, before)
    assert machine.files == files
    assert (machine.state("web.service"), machine.wants) == ("active", set())
    assert machine.units["web.service"].text == "[Service]\nExecStart=/old\n"


async def test_what_was_enabled_and_stopped_before_is_so_again():
    machine = SystemdMachine()
    machine.add("cron.service", TEXT, enabled=True)
    wish = UnitInputs(host="box", name="cron.service", enabled=False, running=True)
    before = await make(machine, wish)
    await KIND.restore(machine, wish, before)
    assert (machine.state("cron.service"), machine.wants) == ("inactive", {"cron.service"})


async def test_a_masked_unit_is_unmasked_and_masked_again():
    machine = SystemdMachine()
    machine.bring("cron.service", TEXT)
    machine.mask("cron.service")
    files = dict(machine.files)
    wish = UnitInputs(host="box", name="cron.service", running=True)
    before = await make(machine, wish)
    assert machine.masked == set()
    await KIND.restore(machine, wish, before)
    assert (machine.state("cron.service"), machine.masked) == ("inactive", {"cron.service"})
    assert machine.files == files


async def test_a_mask_in_the_place_of_the_text_comes_back():
    machine = SystemdMachine()
    mask = Stat("symlink", "0777", "root", "root", 9, b"/dev/null")
    machine.files[f"{SYSTEM_FOLDER}/web.service"] = mask
    before = await make(machine, WISH)
    await KIND.restore(machine, WISH, before)
    assert machine.files[f"{SYSTEM_FOLDER}/web.service"] == mask


@pytest.mark.parametrize(
    ("drift", "named"),
    [
        (lambda m: setattr(m.units["web.service"], "state", "inactive"), "running"),
        (lambda m: setattr(m.units["web.service"], "state", "failed"), "running"),
        (lambda m: m.files.pop(f"{SYSTEM_FOLDER}/multi-user.target.wants/web.service"), "enabled"),
        (lambda m: m.put(f"{SYSTEM_FOLDER}/web.service", "[Service]\n"), "text"),
        (lambda m: m.files.pop(f"{SYSTEM_FOLDER}/web.service"), "text"),
    ],
)
async def test_a_drift_is_named_and_repaired(drift, named: str):  # type: ignore[no-untyped-def]
    machine = SystemdMachine()
    await make(machine, WISH)
    drift(machine)
    assert named in KIND.differences(WISH, await KIND.observe(machine, WISH))
    await make(machine, WISH)


async def test_an_invalid_text_is_refused_in_the_tools_words_and_nothing_is_changed():
    machine = SystemdMachine()
    files = dict(machine.files)
    machine.verdict = Completed(1, "web.service:2: Unknown key 'Exec' in section [Service], ignoring.\n", "")
    with pytest.raises(InvalidInput, match=r"text of web.service for box is not valid") as error:
        await KIND.apply(machine, WISH, await KIND.observe(machine, WISH))
    assert "Unknown key 'Exec'" in str(error.value)
    assert (machine.files, machine.units) == (files, {})


async def test_a_start_that_fails_shows_the_last_log_lines():
    machine = SystemdMachine()
    machine.fails["web.service"] = "exit-code"
    with pytest.raises(NotConverged, match=r"web.service on box did not start: it is failed, exit-code") as error:
        await make(machine, WISH)
    assert "the configuration is broken" in str(error.value)
    assert "journalctl -u web.service" in str(error.value)


async def test_a_unit_that_is_nowhere_is_refused():
    machine = SystemdMachine()
    wish = UnitInputs(host="box", name="none.service", running=True)
    with pytest.raises(InvalidInput, match=r"there is no unit none.service on box"):
        await KIND.apply(machine, wish, await KIND.observe(machine, wish))


async def test_a_quadlet_file_of_an_account_becomes_a_service_and_leaves_no_folder():
    machine = SystemdMachine()
    files = dict(machine.files)
    before = await make(machine, with_(POD, enabled=True))
    path = "/var/lib/pod/.config/containers/systemd/web.container"
    assert (machine.files[path].owner, machine.files["/var/lib/pod/.config"].owner) == ("pod", "pod")
    assert machine.state("web.service") == "active"
    found = await KIND.observe(machine, POD)
    assert (found.service, found.path, found.enabled) == ("web.service", path, True)
    await KIND.restore(machine, POD, before)
    assert machine.files == files
    assert machine.state("web.service") == "absent"


async def test_folders_that_two_units_share_go_with_the_last_in_any_order():
    for first, second in ((0, 1), (1, 0)):
        machine = SystemdMachine()
        files = dict(machine.files)
        wishes = (POD, with_(POD, name="db.container"))
        befores = [await make(machine, wish) for wish in wishes]
        await KIND.restore(machine, wishes[first], befores[first])
        await KIND.restore(machine, wishes[second], befores[second])
        assert machine.files == files


async def test_the_manager_of_an_account_that_lingers_is_waited_for():
    machine = SystemdMachine()
    machine.manager_up = False
    machine.put("/var/lib/systemd/linger/pod")
    await make(machine, POD)
    assert "systemctl start user@990.service" in machine.lines()


async def test_an_account_without_a_manager_is_refused_with_the_remedy():
    machine = SystemdMachine()
    machine.manager_up = False
    with pytest.raises(HearthError, match="pod on box is not logged in and does not linger") as error:
        await KIND.apply(machine, POD, await KIND.observe(machine, POD))
    assert "linger=True" in str(error.value)


async def test_a_unit_of_an_account_that_is_gone_is_restored_already():
    machine = SystemdMachine()
    before = await make(machine, POD)
    machine.accounts.clear()
    await KIND.restore(machine, POD, before)
    assert not (await KIND.observe(machine, POD)).present


async def test_a_unit_is_imported_with_what_it_is():
    machine = SystemdMachine()
    await make(machine, WISH)
    assert KIND.parse is not None
    facts = await KIND.observe(machine, UnitInputs(host="box", **KIND.parse("system/web.service")))
    assert (facts.text, facts.enabled, facts.running) == (TEXT, True, True)

"""The kind Package against a machine in memory that knows a few packages and what they depend on."""

from typing import Any

import pytest
from pydantic import ValidationError

from providers.errors import CommandFailed, DeadlineExceeded, InvalidInput, Untouched
from providers.kinds.package import apt
from providers.kinds.package.brought import BROUGHT, Brought
from providers.kinds.package.facts import PackageFacts, PackageInputs, facts_of, names_of
from providers.kinds.package.kind import KIND
from providers.machine.own_folder import OWN_FOLDER
from providers.machine.session import Completed
from tests.unit.providers.kinds.fake_session import Call, FakeSession

NEEDS = {"podman": {"conmon", "crun"}, "conmon": set(), "crun": set(), "buildah": {"conmon"}, "mine": {"podman"}}
"""Package -> what it depends on."""


class Machine(FakeSession):
    """Packages installed (name -> automatic), and an apt that behaves as apt does."""

    def __init__(self, **installed: bool) -> None:
        super().__init__()
        self.installed = dict(installed)
        self.known = set(NEEDS)
        self.after_update: set[str] = set()
        self.holders = [""]
        self.audit = ""
        self.on("dpkg-query", self._query).on("grep", self._states).on("apt-get", self._apt).on("sh", self._held)
        self.versions: dict[str, str] = {}
        self.held: set[str] = set()
        self.provided: dict[str, str] = {}
        self.on("apt-cache --no-all-versions show", self._show)
        self.on("apt-cache showpkg", self._showpkg).on("apt-cache madison", " podman | 1.0 | here\n")
        self.on("dpkg --compare-versions", lambda call: 0 if call.argv[2].removeprefix("0:") == call.argv[4] else 1)
        self.on("dpkg --audit", lambda _call: self.audit).on("apt-mark", self._mark)
        self.on("dpkg --no-act --purge", self._dpkg).on("dpkg --print-architecture", "amd64\n")

    def _query(self, call: Call) -> Completed:
        name = call.argv[-1]
        if "Architecture" in name:
            return Completed(0, "".join(f"installed\t{package}\tall\n" for package in self.installed), "")
        if name not in self.installed:
            return Completed(1, "", "no packages found")
        want = "hold" if name in self.held else "install"
        return Completed(0, f"installed\t{self.versions.get(name, '1.0')}\t{want}\n", "")

    def _show(self, call: Call) -> Completed:
        """Answer as apt 3.0 does: of a name that is only provided it says nothing, and ends with 0."""
        name = call.argv[-1]
        known = name in self.known
        return Completed(0 if known or name in self.provided else 100, f"Package: {name}\n" if known else "", "")

    def _showpkg(self, call: Call) -> str:
        provider = self.provided.get(call.argv[2])
        lines = "Package: x\nVersions: \n\nReverse Depends: \nReverse Provides: \n"
        return lines + (f"{provider} 1.10-2 (= 1.10-2)\n" if provider else "")

    def _states(self, call: Call) -> Completed:
        name = call.argv[3].removeprefix("Package: ")
        return Completed(0, "Auto-Installed: 1", "") if self.installed.get(name) else Completed(1, "", "")

    def _held(self, _call: Call) -> str:
        return self.holders.pop(0) if len(self.holders) > 1 else self.holders[0]

    def _mark(self, call: Call) -> None:
        if call.argv[1] in ("hold", "unhold"):
            (self.held.add if call.argv[1] == "hold" else self.held.discard)(call.argv[2])
            return
        self.installed[call.argv[2]] = call.argv[1] == "auto"

    def _dpkg(self, call: Call) -> Completed:
        going = set(call.argv[3:])
        needing = [name for name in self.installed.keys() - going if NEEDS[name] & going]
        return Completed(1, "", "dependency problems prevent removal") if needing else Completed(0, "", "")

    def _apt(self, call: Call) -> Completed:
        words = [word for word in call.argv[1:] if not word.startswith("-") and "::" not in word]
        verb, names = words[0], {word.partition("=")[0] for word in words[1:]}
        for word in words[1:]:
            name, _, version = word.partition("=")
            if version and version not in ("1.0", "2.0"):
                return Completed(100, "", f"E: Version '{version}' for '{name}' was not found")
            if version:
                self.versions[name] = version
                self.installed[name] = False
                self.held.discard(name)  # as apt does
        if verb == "update":
            self.known |= self.after_update
            return Completed(0, "", "")
        if names - self.known:
            return Completed(100, "", f"E: Unable to locate package {min(names - self.known)}")
        simulate = "--simulate" in call.argv
        if verb == "install":
            new = {dep for name in names for dep in (name, *NEEDS[name])} - self.installed.keys()
            if not simulate:
                self.installed.update({name: name not in names for name in new})
            return Completed(0, "".join(f"Inst {name} (1.0 Debian)\n" for name in sorted(new)), "")
        gone = {name for name in self.installed if name in names or NEEDS[name] & names}
        if "--auto-remove" in call.argv:
            needed = {dep for name in self.installed.keys() - gone for dep in NEEDS[name]}
            gone |= {name for name, automatic in self.installed.items() if automatic and name not in needed}
        if not simulate:
            self.installed = {name: automatic for name, automatic in self.installed.items() if name not in gone}
        return Completed(0, "".join(f"Purg {name} [1.0]\n" for name in sorted(gone)), "")


def wish(name: str, **other: Any) -> PackageInputs:
    return PackageInputs(host="box", name=name, **other)


async def create(machine: Machine, name: str) -> PackageFacts:
    before = await KIND.observe(machine, wish(name))
    await KIND.apply(machine, wish(name), before)
    assert (await KIND.observe(machine, wish(name))).present
    return before


async def test_destroy_takes_away_the_package_and_what_came_with_it():
    machine = Machine()
    before = await create(machine, "podman")
    assert machine.installed == {"podman": False, "conmon": True, "crun": True}
    assert machine.files[BROUGHT].mode == "0600"
    assert machine.files[OWN_FOLDER].mode == "0700"
    await KIND.restore(machine, wish("podman"), before)
    assert machine.installed == {}
    assert machine.files == {}


@pytest.mark.parametrize("order", [("podman", "buildah"), ("buildah", "podman")])
async def test_a_shared_dependency_goes_with_the_last_that_needs_it(order: tuple[str, str]):
    machine = Machine()
    before = {name: await create(machine, name) for name in ("podman", "buildah")}
    await KIND.restore(machine, wish(order[0]), before[order[0]])
    assert "conmon" in machine.installed
    await KIND.restore(machine, wish(order[1]), before[order[1]])
    assert machine.installed == {}
    assert machine.files == {}


async def test_a_package_that_another_of_ours_needs_goes_with_that_one():
    machine = Machine()
    before = {name: await create(machine, name) for name in ("conmon", "podman")}
    await KIND.restore(machine, wish("conmon"), before["conmon"])
    assert machine.installed["conmon"] is True
    await KIND.restore(machine, wish("podman"), before["podman"])
    assert machine.installed == {}
    assert machine.files == {}


async def test_a_package_that_was_there_stays_with_its_mark():
    machine = Machine(conmon=True)
    before = await KIND.observe(machine, wish("conmon"))
    machine.installed = {}
    await KIND.apply(machine, wish("conmon"), await KIND.observe(machine, wish("conmon")))
    assert machine.installed == {"conmon": False}
    await KIND.restore(machine, wish("conmon"), before)
    assert machine.installed == {"conmon": True}


async def test_a_dependency_that_was_there_before_stays():
    machine = Machine(crun=True)
    before = await create(machine, "podman")
    await KIND.restore(machine, wish("podman"), before)
    assert machine.installed == {"crun": True}


async def test_a_package_that_somebody_elses_needs_stays_and_says_so():
    machine = Machine()
    before = await create(machine, "podman")
    machine.installed["mine"] = False
    await KIND.restore(machine, wish("podman"), before)
    assert machine.installed.keys() == {"mine", "podman", "conmon", "crun"}
    assert any("podman stays on box: mine was installed later" in line for line in machine.messages)
    assert machine.files == {}


async def test_what_nobody_needs_goes_after_one_look_at_all_that_apt_knows():
    machine = Machine()
    before = await create(machine, "podman")
    machine.calls.clear()
    await KIND.restore(machine, wish("podman"), before)
    assert [line.split()[-1] for line in machine.lines() if "--simulate" in line] == ["podman"]
    assert machine.lines()[-1].endswith("purge conmon crun podman")


@pytest.mark.parametrize("again", [True, False], ids=["then finished", "then destroyed"])
async def test_what_came_before_an_installation_was_cut_short_goes_too(again: bool):
    machine = Machine(crun=True)
    before = await KIND.observe(machine, wish("podman"))

    def cut(_call: Call) -> Completed:
        machine.installed["conmon"] = True
        raise DeadlineExceeded("installing took too long")

    machine.on("apt-get", cut)
    with pytest.raises(DeadlineExceeded):
        await KIND.apply(machine, wish("podman"), before)
    assert Brought.parse(machine.files[BROUGHT].content.decode()).before == {"crun"}
    machine.on("apt-get", machine._apt)
    if again:
        await KIND.apply(machine, wish("podman"), await KIND.observe(machine, wish("podman")))
        assert Brought.parse(machine.files[BROUGHT].content.decode()) == Brought(
            {"podman": False}, frozenset({"conmon", "podman"})
        )
    await KIND.restore(machine, wish("podman"), before)
    assert machine.installed == {"crun": True}
    assert machine.files == {}


async def test_an_installation_that_failed_with_nothing_new_leaves_no_record():
    machine = Machine()
    machine.on("apt-get", Completed(100, "", "E: Unmet dependencies"))
    with pytest.raises(CommandFailed, match="ended with status 100"):
        await KIND.apply(machine, wish("podman"), PackageFacts(present=False))
    assert machine.files == {}


async def test_what_apt_would_do_is_not_simulated_before_it_is_done():
    machine = Machine()
    await create(machine, "podman")
    assert sum(line.startswith("apt-get") for line in machine.lines()) == 1


async def test_restore_a_second_time_does_nothing():
    machine = Machine()
    before = await create(machine, "podman")
    await KIND.restore(machine, wish("podman"), before)
    machine.calls.clear()
    await KIND.restore(machine, wish("podman"), before)
    assert not any(line.startswith("apt-get") for line in machine.lines())


async def test_the_lists_are_fetched_only_where_apt_does_not_know_the_package():
    machine = Machine()
    await create(machine, "conmon")
    assert not any(" update" in line for line in machine.lines())
    machine.known.discard("podman")
    machine.after_update = {"podman"}
    await create(machine, "podman")
    assert sum(" update" in line for line in machine.lines()) == 1


async def test_an_unknown_package_is_named_with_a_remedy():
    machine = Machine()
    with pytest.raises(Untouched, match="knows no package 'nonesuch'") as error:
        await KIND.apply(machine, wish("nonesuch"), PackageFacts(present=False))
    assert "apt-cache search" in str(error.value)
    assert machine.files == {}


async def test_a_foreign_lock_is_waited_for_and_its_holder_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(apt, "POLL", 0.0)
    machine = Machine()
    machine.holders = ["812\t/var/lib/dpkg/lock-frontend\tapt-get upgrade \n", ""]
    await create(machine, "conmon")
    assert machine.messages[0] == (
        "waiting for apt on box: process 812 (apt-get upgrade) holds /var/lib/dpkg/lock-frontend"
    )


async def test_a_lock_that_stays_ends_with_the_holders_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(apt, "POLL", 0.0)
    machine = Machine()
    machine.holders = ["812\t/var/lib/dpkg/lock\tdpkg -i x.deb\n"]
    with pytest.raises(DeadlineExceeded, match=r"process 812 \(dpkg -i x.deb\) holds /var/lib/dpkg/lock"):
        await apt.wait_for_locks(machine, wait=0.0)


async def test_an_interrupted_dpkg_is_finished_first():
    machine = Machine()
    machine.audit = "The following packages are only half configured:\n conmon\n"
    machine.on("dpkg --force-confdef --force-confold --configure -a", "")
    await create(machine, "conmon")
    lines = [line for line in machine.lines() if line.startswith(("dpkg --force", "apt-get"))]
    assert lines[0].startswith("dpkg --force")
    assert "install conmon" in lines[-1]


async def test_a_full_disk_is_said_to_be_one():
    machine = Machine()
    machine.on("apt-get -q", Completed(100, "", "E: You don't have enough free space in /var/cache/apt/archives/."))
    with pytest.raises(CommandFailed, match="found the disk full"):
        await KIND.apply(machine, wish("conmon"), PackageFacts(present=False))


async def test_a_name_that_others_provide_is_refused_with_theirs():
    machine = Machine()
    machine.provided = {"libpcap0.8": "libpcap0.8t64"}
    with pytest.raises(InvalidInput, match=r"a name that others provide: libpcap0.8t64; nothing was changed"):
        await KIND.apply(machine, wish("libpcap0.8"), PackageFacts(present=False))
    assert machine.files == {}
    assert not any(line.startswith("apt-get") for line in machine.lines())


async def test_a_package_that_was_only_unpacked_stays_with_its_mark():
    machine = Machine(crun=True)
    before = PackageFacts(present=False, exact="1.0", unfinished=True, automatic=True)
    await KIND.apply(machine, wish("conmon"), before)
    assert machine.installed == {"crun": True, "conmon": True}
    await KIND.restore(machine, wish("conmon"), before)
    assert machine.installed == {"crun": True, "conmon": True}
    assert "conmon was only unpacked on box: it stays" in machine.messages[-1]


@pytest.mark.parametrize("automatic", [False, True])
async def test_another_version_of_what_was_there_is_put_in_and_taken_back_with_hold_and_mark(automatic: bool):
    machine = Machine(conmon=automatic)
    asked = wish("conmon", version="2.0", hold=True)
    before = await KIND.observe(machine, asked)
    assert KIND.differences(asked, before) == {"version": ("2.0", "1.0"), "hold": (True, False)}
    await KIND.apply(machine, asked, before)
    assert KIND.differences(asked, await KIND.observe(machine, asked)) == {}
    assert machine.installed == {"conmon": automatic}
    await KIND.restore(machine, asked, before)
    assert (machine.versions, machine.held, machine.installed) == ({"conmon": "1.0"}, set(), {"conmon": automatic})
    assert machine.files == {}


@pytest.mark.parametrize("hold", [None, True])
async def test_a_hold_stays_over_another_version_and_back(hold: bool | None):
    machine = Machine(conmon=False)
    machine.held.add("conmon")
    asked = wish("conmon", version="2.0", hold=hold)
    before = await KIND.observe(machine, asked)
    await KIND.apply(machine, asked, before)
    assert (machine.versions["conmon"], machine.held) == ("2.0", {"conmon"})
    await KIND.restore(machine, asked, before)
    assert (machine.versions["conmon"], machine.held) == ("1.0", {"conmon"})


@pytest.mark.parametrize("wished", ["2.0", "0:2.0", "2*", "2.0*"])
async def test_versions_are_compared_as_dpkg_does(wished: str):
    machine = Machine(conmon=False)
    machine.versions["conmon"] = "2.0" if not wished.startswith("0:") else "0:2.0"
    asked = wish("conmon", version=wished.removeprefix("0:"))
    assert KIND.differences(asked, await KIND.observe(machine, asked)) == {}


async def test_a_version_that_is_not_to_be_had_is_named_with_those_that_are():
    machine = Machine()
    asked = wish("podman", version="9.9")
    with pytest.raises(Untouched, match=r"knows no package 'podman=9.9'.* It has: 1.0\."):
        await KIND.apply(machine, asked, await KIND.observe(machine, asked))
    assert machine.files == {}


async def test_a_version_of_before_that_can_not_be_had_any_more_is_said_and_the_rest_goes_on():
    machine = Machine(conmon=False)
    asked = wish("conmon", version="2.0")
    machine.versions["conmon"] = "0.9"
    before = await KIND.observe(machine, asked)
    await KIND.apply(machine, asked, before)
    await KIND.restore(machine, asked, before)
    assert "conmon stays at 2.0 on box: its version of before, 0.9, can't be had" in machine.messages[-1]


async def test_a_held_package_of_hearths_own_goes_on_destroy():
    machine = Machine()
    asked = wish("podman", hold=True)
    before = await KIND.observe(machine, asked)
    await KIND.apply(machine, asked, before)
    assert machine.held == {"podman"}
    await KIND.restore(machine, asked, before)
    assert (machine.installed, machine.held, machine.files) == ({}, set(), {})


@pytest.mark.parametrize("content", ["", "{", "[]", '{"asked": 7}', "null"])
async def test_a_damaged_list_of_what_came_is_a_warning(content: str):
    machine = Machine()
    before = await create(machine, "conmon")
    machine.put(BROUGHT, content)
    await KIND.restore(machine, wish("conmon"), before)
    assert machine.installed == {}
    assert "can't be read" in machine.messages[1]


@pytest.mark.parametrize("version", ["two words", "-1", "1.0 | 2", "*", "1.*.2"])
def test_a_wrong_version_is_rejected_with_its_rule(version: str):
    with pytest.raises(ValidationError, match="must be a version"):
        wish("podman", version=version)


@pytest.mark.parametrize(
    ("query", "states", "facts"),
    [
        ("installed\t1.2", "", PackageFacts(present=True, version="1.2", exact="1.2")),
        ("installed\t1.2", "Auto-Installed: 1", PackageFacts(present=True, version="1.2", exact="1.2", automatic=True)),
        ("config-files\t1.2", "", PackageFacts(present=False, configured=True)),
        ("not-installed\t", "", PackageFacts(present=False)),
        ("installed\t1.2\thold", "", PackageFacts(present=True, version="1.2", exact="1.2", hold=True)),
        ("half-configured\t1.2", "", PackageFacts(present=False, exact="1.2", unfinished=True)),
        ("triggers-pending\t1.2\tinstall", "", PackageFacts(present=True, version="1.2", exact="1.2")),
        (
            "config-files\t1\tdeinstall\ninstalled\t1.2\tinstall",
            "",
            PackageFacts(present=True, version="1.2", exact="1.2"),
        ),
        ("", "", PackageFacts(present=False)),
    ],
)
def test_what_dpkg_says_becomes_facts(query: str, states: str, facts: PackageFacts):
    assert facts_of(query, states) == facts


def test_an_upgrade_in_apts_plan_is_nothing_new():
    plan = apt.parse_plan(
        "Inst a (1 Debian [amd64])\nInst b [1] (2 Debian [amd64])\nConf a (1)\nRemv c [1]\nPurg d [2]"
    )
    assert plan == apt.Simulation(frozenset({"a"}), frozenset({"c", "d"}))


@pytest.mark.parametrize("before", [None, frozenset[str](), frozenset({"c"})])
def test_the_record_of_what_came_survives_writing_and_reading(before: frozenset[str] | None):
    brought = Brought({"a": True}, frozenset({"a", "b"}), before)
    assert Brought.parse(brought.text()) == brought


def test_packages_of_another_architecture_have_it_in_their_names_as_in_apts_plans():
    listed = "installed\ta\tamd64\nunpacked\tb\tall\nhalf-installed\tc\ti386\nconfig-files\td\tamd64\n"
    assert names_of(listed + "not-installed\te\t\n", "amd64") == ["a", "b", "c:i386"]


@pytest.mark.parametrize("name", ["Podman", "two words", "-y", "a=1.0", ""])
def test_a_wrong_name_is_rejected_with_its_rule(name: str):
    with pytest.raises(ValidationError, match="Debian package name"):
        wish(name)

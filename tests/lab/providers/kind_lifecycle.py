"""One Pulumi program with every kind in every variant, taken from nothing through each verb and back to nothing.

The steps are taken in order and once, however many tests ask for them; what they saw is kept for the tests.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab import Machine
from lab.docker import cli
from tests.lab.providers.kind_cases import CANARY, Case, Inputs
from tests.lab.watch import watched
from tests.lab.workspace import Workspace
from toolchain.versions import ROOT

PROGRAM = """
import json
from pathlib import Path

import pulumi
from providers.resources import host as resources

seed = resources.File("seed", host="box", path="/srv/kinds/seed", content="seed")
for entry in json.loads(Path("resources.json").read_text()):
    inputs = entry["inputs"]
    for name in entry["secret"]:
        inputs[name] = pulumi.Output.secret(inputs[name])
    for name in entry["unknown"]:
        inputs[name] = seed.machine.apply(lambda _, value=inputs[name]: value)
    timeout = entry["timeout"]
    timeouts = pulumi.CustomTimeouts(create=timeout, update=timeout, delete=timeout) if timeout else None
    options = pulumi.ResourceOptions(import_=entry["import"], custom_timeouts=timeouts)
    getattr(resources, entry["kind"])(entry["name"], host="box", **inputs, opts=options)
"""
HOLD_EVERY_LOCK = """
import fcntl, glob, sys
held = [open(path, "r+") for path in glob.glob("/run/hearth/locks/*")]
for file in held:
    fcntl.flock(file, fcntl.LOCK_EX)
print(len(held), flush=True)
sys.stdin.read()
"""
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
Key = tuple[str, str]
"""(name of a case, variant)."""


@dataclass
class Trial:
    machine: Machine
    workspace: Workspace
    cases: Mapping[str, Case]
    wishes: dict[Key, Inputs] = field(default_factory=dict)
    """What the program asks for at this step."""
    looks: dict[str, dict[Key, str]] = field(default_factory=dict)
    """step -> what was on the machine after it."""
    kept: dict[Key, str] = field(default_factory=dict)
    """What the properties that a program leaves out were before the first `up`."""
    held: dict[str, dict[Key, bool]] = field(default_factory=dict)
    """step -> whether each wish of that step held after it, as the machine itself says."""
    said: dict[str, subprocess.CompletedProcess[str]] = field(default_factory=dict)
    """step -> what Pulumi printed, and its exit code."""
    plans: dict[str, dict[Key, dict[str, Any]]] = field(default_factory=dict)
    """step -> what a preview said before it, resource by resource."""
    leaks: set[str] = field(default_factory=set)
    """Command lines and environments in which the canary was seen."""
    records: tuple[str, str] = ("", "")
    """How many records there were before and after what was refused."""
    known: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The resources in the state after it."""
    state: str = ""
    """The whole state as it was before destroy."""
    _done: dict[str, BaseException | None] = field(default_factory=dict)

    @classmethod
    def begin(cls, machine: Machine, folder: Path, cases: Mapping[str, Case], project: str = "kinds") -> Trial:
        workspace = Workspace.create(
            folder,
            PROGRAM,
            name=project,
            providers={"hearth": ROOT / "providers" / "plugin"},
            extra_environment={"PYTHONPATH": str(ROOT)},
        )
        workspace.configure("hearth:hosts", json.dumps({"box": {"address": machine.name}}))
        workspace.configure("hearth:ssh-config", str(machine.ssh_config))
        for case in cases.values():
            for name, content in case.project.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                path.chmod(0o755 if name.endswith("run") else 0o644)
        return cls(machine, workspace, cases)

    def reach(self, step: str) -> None:
        """Take every step up to this one that was not taken yet. A step that failed fails whoever asks for it."""
        for name in STEPS:
            if name not in self._done:
                try:
                    getattr(self, f"_{name}")()
                    self._done[name] = None
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - kept for every test that asks
                    self._done[name] = error
            failed = self._done[name]
            if failed is not None:
                raise AssertionError(f"the step {name!r} failed") from failed
            if name == step:
                return

    # --- the steps ---

    def _prepared(self) -> None:
        texts = list(dict.fromkeys(case.prepare for case in self.cases.values() if case.prepare))
        for name, case in self.cases.items():
            variants = {"new": True, "old": case.other, "right": case.right, "secret": case.secret}
            for variant in [each for each, there in variants.items() if there]:
                self.wishes[name, variant] = case.wish(variant)
            if case.identity and case.right:
                self.wishes[name, "imported"] = (case.importable or case.wish)("imported")
            if case.secret:
                self.wishes[name, "secret"].update(case.secret("secret"))
            if case.other:
                texts.append(case.other("old"))
            if case.least and case.odd:
                self.wishes[name, "odd"] = case.least("odd")
                texts.append(case.odd("odd"))
            if case.right:
                texts += [case.right(variant, case.wish(variant)) for variant in ("right", "imported")]
        self._on_machine(*texts)
        self._look("prepared")
        self.kept = self._kept()

    def _previewed(self) -> None:
        self._preview("created", importing=True)
        self._look("previewed")

    def _created(self) -> None:
        self._up("created", importing=True)

    def _unchanged(self) -> None:
        cli.docker("pause", self.machine.container)
        try:
            self._pulumi("unchanged", lambda: self.workspace.up("--expect-no-changes", check=False))
        finally:
            cli.docker("unpause", self.machine.container)

    def _drifted(self) -> None:
        texts = [case.drift(variant) for (_, variant), case in self.drifting()]
        texts += [case.remove("new") for case in self.cases.values() if case.remove]
        self._on_machine(*texts)
        self._look("drifted")
        self.held["drifted"] = self._check()
        self._preview("repaired", "--refresh", "--expect-no-changes")

    def _repaired(self) -> None:
        self._up("repaired", "--refresh")

    def _changed(self) -> None:
        for name, case in self.cases.items():
            if case.moves:
                self.wishes[name, "new"] = case.wish("moved")
            for variant in case.changing:
                if case.changed and (name, variant) in self.wishes:
                    self.wishes[name, variant] = {**self.wishes[name, variant], **case.changed(variant)}
        self._preview("changed")
        self._up("changed")

    def _late(self) -> None:
        for name, case in self.cases.items():
            for variant in case.changing:
                if case.changed and (name, variant) in self.wishes:
                    self.wishes[name, variant] = case.wish(variant)
        slow = {(name, "slow"): case.slow("slow") for name, case in self.cases.items() if case.slow}
        self.wishes.update(slow)
        with self._locks_held():
            # A slow one has to begin within its time, while the others wait.
            self.write(timeout="2s", slow="10s")
            self._pulumi("late", lambda: self.workspace.up("--continue-on-error", check=False))
        for key in slow:
            del self.wishes[key]

    def _caught_up(self) -> None:
        self._up("caught_up")

    def _unreadable(self) -> None:
        self._on_machine(*(case.unreadable(key[1]) for key, case in self.unreadable() if case.unreadable))
        self._preview("mended", "--refresh", "--expect-no-changes")
        self._on_machine(*(case.readable(key[1]) for key, case in self.unreadable() if case.readable))

    def _mended(self) -> None:
        self._up("mended", "--refresh")

    def _objected(self) -> None:
        """Ask twice for what is refused."""
        cases = {name: case for name, case in self.cases.items() if case.refused}
        self._on_machine(*(case.in_the_way("refused") for case in cases.values() if case.in_the_way))
        looks = {(name, "refused"): case.look("refused") for name, case in cases.items()}
        self.looks["in the way"] = {key: said for key, (said, _) in self._run(looks).items()}
        records = self.machine.run("ls /var/lib/hearth/records | wc -l").stdout
        refused = {(name, "refused"): case.refused("refused") for name, case in cases.items() if case.refused}
        self.wishes.update(refused)
        self.write()
        for step in ("objected", "objected again"):
            self._pulumi(step, lambda: self.workspace.up("--continue-on-error", check=False))
            self.looks[step] = {key: said for key, (said, _) in self._run(looks).items()}
        self.records = (records, self.machine.run("ls /var/lib/hearth/records | wc -l").stdout)
        self.known = self.workspace.state()["resources"]
        for key in refused:
            del self.wishes[key]
        self.write()

    def _destroyed(self) -> None:
        self.state = json.dumps(self.workspace.state())
        self._pulumi("destroyed", lambda: self.workspace.destroy(check=False))
        self._look("destroyed")

    def _refused(self) -> None:
        """Import of what is not there."""
        self.wishes = {(name, "absent"): case.wish("absent") for name, case in self.cases.items()}
        self.write(importing=True)
        self._pulumi("refused", lambda: self.workspace.up("--continue-on-error", check=False))

    # --- what they are made of ---

    def drifting(self) -> Iterator[tuple[Key, Case]]:
        """Yield what `drift` is tried on."""
        for name, case in self.cases.items():
            for variant in case.drifting:
                if (name, variant) in self.wishes:
                    yield (name, variant), case

    def unreadable(self) -> Iterator[tuple[Key, Case]]:
        """Yield what can't be looked at in the step of that name."""
        for name, case in self.cases.items():
            if case.unreadable:
                yield (name, "old" if case.other else "new"), case

    def write(self, *, importing: bool = False, timeout: str = "", slow: str = "") -> None:
        """Give the program what is wished now. `timeout` is each resource's deadline; `slow` that of the slow ones."""
        entries: list[dict[str, Any]] = []
        for (name, variant), inputs in self.wishes.items():
            case = self.cases[name]
            identity = case.identity or (lambda each: f"srv/kinds/{each}")
            by_import = importing and variant in ("imported", "absent")
            entries.append(
                {
                    "kind": case.kind,
                    "name": f"{name}-{variant}",
                    "inputs": inputs,
                    "secret": [case.secret_input] if variant == "secret" else [],
                    "unknown": [case.unknown] if variant == "new" else [],
                    "import": f"box/{identity(variant)}" if by_import else None,
                    "timeout": slow if variant == "slow" else timeout,
                }
            )
        (self.workspace.folder / "resources.json").write_text(json.dumps(entries))

    def _preview(self, step: str, *flags: str, importing: bool = False) -> None:
        self.write(importing=importing)
        command = ("preview", "--json", "--stack", self.workspace.stack, *flags)
        printed = self._pulumi(f"plan of {step}", lambda: self.workspace.pulumi(*command, check=False))
        self.plans[step] = {}
        for each in json.loads(printed)["steps"]:
            name, _, variant = each["urn"].rsplit("::", 1)[-1].partition("-")
            if each["op"] != "refresh":
                self.plans[step][name, variant] = each

    def _up(self, step: str, *flags: str, importing: bool = False) -> None:
        self.write(importing=importing)
        self._pulumi(step, lambda: self.workspace.up(*flags, check=False))
        self._look(step)
        self.held[step] = self._check()

    def _look(self, step: str) -> None:
        variants = ("new", "old", "right", "odd", "imported", "secret")
        keys = [(name, variant) for name in self.cases for variant in variants]
        texts = {key: self.cases[key[0]].look(key[1]) for key in keys}
        self.looks[step] = {key: output for key, (output, _) in self._run(texts).items()}

    def _check(self) -> dict[Key, bool]:
        wishes = {key: inputs for key, inputs in self.wishes.items() if key[1] != "odd"}
        texts = {key: self.cases[key[0]].holds(key[1], inputs) for key, inputs in wishes.items()}
        held = {key: ok for key, (_, ok) in self._run(texts).items()}
        # Of these, what was left out has to be as it was.
        return {**held, **{key: found == self.kept[key] for key, found in self._kept().items()}}

    def _kept(self) -> dict[Key, str]:
        texts = {(name, "odd"): case.kept("odd") for name, case in self.cases.items() if case.kept}
        return {key: output for key, (output, _) in self._run(texts).items()}

    def _run(self, texts: Mapping[Key, str]) -> dict[Key, tuple[str, bool]]:
        """Run a text for each key, all in one visit; return what each printed, and whether it ended well."""
        program = "".join(
            f"sh -euc {shlex.quote(text)} 2>&1 </dev/null; status=$?; echo; echo '=== {name} {variant}' $status\n"
            for (name, variant), text in texts.items()
        )
        results: dict[Key, tuple[str, bool]] = {}
        output: list[str] = []
        for line in self.machine.run("sh", stdin=program, timeout=800).stdout.splitlines():
            if line.startswith("=== "):
                _, name, variant, status = line.split()
                results[name, variant] = "\n".join(output), status == "0"
                output = []
            else:
                output.append(line)
        return results

    def _on_machine(self, *texts: str) -> None:
        program = "set -eu\n" + "".join(f"sh -euc {shlex.quote(text)} </dev/null\n" for text in texts)
        self.machine.run("sh", stdin=program, timeout=800)

    @contextlib.contextmanager
    def _locks_held(self) -> Iterator[None]:
        command = ["docker", "exec", "-i", self.machine.container, "python3", "-c", HOLD_EVERY_LOCK]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdin is not None
            assert holder.stdout is not None
            assert int(holder.stdout.readline()) > 0
            try:
                yield
            finally:
                holder.stdin.close()

    def _pulumi(self, step: str, run: Callable[[], subprocess.CompletedProcess[str]]) -> str:
        """Run Pulumi, and look for the canary in what processes show of themselves the while."""
        with watched(CANARY) as seen:
            self.said[step] = run()
        self.leaks |= seen
        return self.said[step].stdout


STEPS = (
    "prepared",
    "previewed",
    "created",
    "unchanged",
    "drifted",
    "repaired",
    "changed",
    "late",
    "caught_up",
    "unreadable",
    "mended",
    "objected",
    "destroyed",
    "refused",
)

"""Graphics cards: kept from their machines (38_test_gpu_reservation), and at work in virtual machines.

The latter is 68_test_vm_gpu_passthrough: the devices, NVIDIA's driver, CUDA.
"""

from __future__ import annotations

import re
from typing import Any, cast

from checks.lxd.codes import Code
from checks.result import CheckResult, Story
from components.lxd.deployed import DeployedCards, DeployedCluster
from components.lxd.gpu import devices
from providers.errors import HearthError
from providers.kinds.lxd.api import Api, Request, at
from providers.kinds.lxd.daemons import ABOUT, Daemon
from providers.kinds.lxd.gpu_functions import BRIDGE_CLASS, VFIO, Function, functions_in, of_cards
from providers.kinds.lxd.gpu_reservation import GpuReservationFacts, GpuReservationInputs, observe
from providers.machine.session import Completed, Session
from toolchain.lines import lines_in

KEPT = Story("38", Code.CONFIGURATION)
GIVEN = Story("68", Code.CONFIGURATION)
WORKS = Story("68", Code.NOT_RUNNING)
REFRESH = "Run `pulumi up --refresh`"
NVIDIA = "0x10de"
SMI = ("nvidia-smi", "--query-gpu=name,driver_version,pci.bus_id", "--format=csv,noheader")
"""NVIDIA's own question for a card, its driver and its place. Source: nvidia-smi(1)."""
# CUDA's driver, without any toolkit: `cuInit`, its version, its devices. Source: CUDA driver API, cuda.h.
CUDA = """
import ctypes, sys
try:
    cuda = ctypes.CDLL("libcuda.so.1")
except OSError as error:
    sys.exit("no CUDA driver: %s" % error)
version, count, said = ctypes.c_int(), ctypes.c_int(), ctypes.c_char_p()
status = cuda.cuInit(0) or cuda.cuDriverGetVersion(ctypes.byref(version)) or cuda.cuDeviceGetCount(ctypes.byref(count))
if status:
    cuda.cuGetErrorString(status, ctypes.byref(said))
    sys.exit("CUDA error %d: %s" % (status, (said.value or b"not known").decode()))
print("CUDA %d.%d, %d devices" % (version.value // 1000, version.value % 1000 // 10, count.value))
"""


async def check_reserved(session: Session, cards: DeployedCards) -> list[CheckResult]:
    """Ask whether a machine's cards are kept from it: whole, with their IOMMU groups, now and after the next boot."""
    inputs = GpuReservationInputs(host=session.machine, cards=cards.cards, console=True, restart=cards.restart)
    facts = await observe(session, inputs)
    rows = [row for card in cards.cards for row in card_rows(session.machine, card, facts)]
    kept = set(facts.cards) == set(cards.cards)
    seen = ", ".join(facts.cards) or "nothing says so"
    return [*rows, KEPT.verdict(kept, f"{session.machine}: its files keep its cards at every boot", seen, REFRESH)]


def card_rows(machine: str, card: str, facts: GpuReservationFacts) -> list[CheckResult]:
    """Hold what a machine has of one card against what is to be."""
    functions = functions_in(facts.found)
    slot = card.rpartition(".")[0]
    own = [each for each in functions if each.slot == slot]
    there = f"{machine}: the card {card} is there"
    if card not in [each.address for each in own]:
        return [KEPT.failed(there, "there is no such PCI device", "See `lspci -D` there")]
    rows = [KEPT.passed(there, ", ".join(each.address for each in own))]
    remedy = f"Restart {machine}" if facts.waiting else REFRESH
    groups = {each.group for each in own} - {""}
    grouped = all(each.group for each in own)
    seen = f"IOMMU group {', '.join(sorted(groups))}" if grouped else "it has no IOMMU group"
    rows.append(KEPT.verdict(grouped, f"{machine}: the IOMMU is on for {card}", seen, remedy))
    held = all(each.driver == VFIO for each in own)
    rows.append(KEPT.verdict(held, f"{machine}: every function of {card} is with {VFIO}", _drivers(own), remedy))
    together = [each for each in functions if each.group in groups and not each.device_class.startswith(BRIDGE_CLASS)]
    free = [each for each in together if each.driver in ("", VFIO)]
    question = f"{machine}: nothing else of the group of {card} is in use"
    if not grouped:
        return [*rows, KEPT.skipped(question, "no group is known while the IOMMU is off")]
    return [*rows, KEPT.verdict(free == together, question, _drivers(together), remedy)]


def _drivers(functions: list[Function]) -> str:
    return ", ".join(f"{each.shown}: {each.driver or 'no driver'}" for each in functions)


async def check_given(session: Session, deployed: DeployedCluster) -> list[CheckResult]:
    """Ask whether each virtual machine has its cards as devices, and whether NVIDIA's driver and CUDA work in it."""
    wanted = {name: each for cards in deployed.cards.values() for name, each in cards.instances.items()}
    if not wanted:
        return [GIVEN.skipped("a virtual machine has its card", "the settings give none to any")] * bool(deployed.cards)
    api = Api(session, cast(Daemon, deployed.daemon))
    rows: list[CheckResult] = []
    for name, cards in wanted.items():
        machine = next(host for host, each in deployed.cards.items() if name in each.instances)
        try:
            functions = await _functions(session, machine, cards)
            (answer,) = await api.query(Request("GET", at("instances", name)))
        except HearthError as error:
            rows.append(GIVEN.failed(f"{name} has its cards as devices", error.summary, error.remedy))
            continue
        rows.append(device_row(name, cards, of_cards(cards, functions), answer.metadata))
        questions = (f"{name}: NVIDIA's driver has its cards", f"{name}: CUDA has its cards")
        foreign = [each.address for each in functions if each.address in cards and each.vendor != NVIDIA]
        why = f"{', '.join(foreign)} is not of NVIDIA's" if foreign else ""
        if answer.metadata["status"] != "Running":
            why = f"{name} does not run"
        if why:
            rows += [WORKS.skipped(question, why) for question in questions]
            continue
        inside = (ABOUT[cast(Daemon, deployed.daemon)].client, "exec", name, "--")
        run: Any = {"check": False, "timeout": 60.0, "environment": {"HOME": "/root"}}
        rows.append(smi_row(questions[0], len(cards), await session.run(*inside, *SMI, **run)))
        rows.append(cuda_row(questions[1], len(cards), await session.run(*inside, "python3", "-", stdin=CUDA, **run)))
    return rows


async def _functions(session: Session, machine: str, cards: list[str]) -> list[Function]:
    """Return the PCI functions of an instance's own machine."""
    async with session.elsewhere(machine) as there:
        return functions_in((await observe(there, GpuReservationInputs(host=machine, cards=cards))).found)


def device_row(name: str, cards: list[str], functions: list[str], instance: dict[str, Any]) -> CheckResult:
    """Hold an instance's devices against its cards and all their functions, the audio one among them."""
    there: dict[str, dict[str, str]] = instance.get("expanded_devices") or {}
    found = {
        each.get("pci") or each.get("address", "") for each in there.values() if each.get("type") in ("gpu", "pci")
    }
    wanted = {each.get("pci") or each["address"] for each in devices(cards, functions).values()}
    seen = ", ".join(sorted(found)) or "it has none"
    if missing := sorted(wanted - found):
        seen = f"{seen}; without {', '.join(missing)}"
    return GIVEN.verdict(not missing, f"{name} has its cards as devices", seen, REFRESH)


def smi_row(question: str, cards: int, said: Completed) -> CheckResult:
    """Read the answer of nvidia-smi: a line for each card, as `NVIDIA RTX A2000, 550.163.01, 00000000:06:00.0`."""
    lines = [
        line.strip() for line in lines_in(said.stdout) if re.fullmatch(r".+, [\d.]+, [0-9A-Fa-f:.]+", line.strip())
    ]
    holds = said.ok and len(lines) >= cards
    seen = "; ".join(lines) if holds else " ".join((said.stdout + said.stderr).split())[:200] or f"status {said.status}"
    remedy = "Set `gpu-driver` of the instance, or install NVIDIA's driver in it; `dmesg` in it says why it has no card"
    return WORKS.verdict(holds, question, seen, remedy)


def cuda_row(question: str, cards: int, said: Completed) -> CheckResult:
    """Read the answer of CUDA's driver."""
    found = re.fullmatch(r"CUDA [\d.]+, (\d+) devices", said.stdout.strip())
    holds = said.ok and found is not None and int(found[1]) >= cards
    seen = said.stdout.strip() or " ".join(said.stderr.split())[-200:] or f"status {said.status}"
    return WORKS.verdict(holds, question, seen, "Install libcuda1 in it (Debian's, of the same version as the driver)")

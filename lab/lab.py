"""A lab: machines, a registry and a Windows stand-in on a network of their own, made on this machine with Docker."""

from __future__ import annotations

import contextlib
import functools
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import admission, names, records, service, ssh_files
from lab.docker import cli, containers, contents, daemon
from lab.docker.images import Images
from lab.errors import LabError
from lab.kernel import KernelMachine, KernelOptions, container_options
from lab.kernel.disk import ensure_disk
from lab.kubernetes.cluster import CACHE, KUBECONFIG, Cluster, ensure_cluster
from lab.kubernetes.node_options import NODE_IMAGE, node_options
from lab.locks import machine_lock
from lab.machine import Machine
from lab.service import Service
from lab.systems.secondbrain import old_containers
from lab.systems.todo import images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

PROJECT = Path(__file__).resolve().parent.parent
SERVICE_OPTIONS = ("--restart", "unless-stopped")
NAMES_PROGRAM = "/usr/local/lib/hearth-lab/names"
DEFAULT_USERS = ("backstage440",)
# What `python -m lab up` makes: the dev stack's machine, and what it talks to.
DEFAULT_MACHINES = ("brain", "registry", "windows")
FILES = ["ssh_config", "known_hosts", "id_ed25519", "id_ed25519.pub", "hosts.json", "windows.json", "secrets.json"]


def _say_nothing(_line: str) -> None:
    """Take what a lab says where nobody listens."""


class Lab:
    """One lab. Everything that it makes carries its name and a hash of its folder; nothing else is touched.

    It asks Docker what there is at every step, so several processes may use the same lab. Errors are LabErrors.
    """

    def __init__(
        self, name: str = "hearth-lab", folder: Path | None = None, say: Callable[[str], None] | None = None
    ) -> None:
        self.name = names.checked_name(name, "a lab")
        self.folder = (folder or PROJECT / ".lab").resolve()
        self.prefix = names.prefix(name, self.folder)
        self.say: Callable[[str], None] = say or _say_nothing
        self._images: Images | None = None
        self._prepared = False

    @property
    def labels(self) -> dict[str, str]:
        """The labels of everything that belongs to this lab."""
        return {names.LABEL_LAB: self.name, names.LABEL_FOLDER: names.folder_hash(self.folder)}

    @property
    def images(self) -> Images:
        """The images, made when first asked for."""
        if self._images is None:
            self._images = Images(self.say)
        return self._images

    @property
    def ssh_config(self) -> Path:
        """The ssh_config that knows every machine of the lab by its name."""
        return self.folder / "ssh_config"

    def prepare(self) -> None:
        """See to it that Docker answers (installed and started where that is allowed); make network, folder and key."""
        if self._prepared:
            return
        with machine_lock(daemon.LOCK):
            daemon.prepare(self.say)
            containers.ensure_network(self.prefix, self.labels)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ssh_files.ensure_key(self.folder)
        self._prepared = True

    def up(self, machines: Sequence[str] = DEFAULT_MACHINES) -> None:
        """Make what is missing of these and switch on what is off: `registry`, `windows`, or NAME[:IMAGE][:kernel]."""
        self.prepare()
        with ThreadPoolExecutor(3, thread_name_prefix="lab-up") as pool:
            futures = [pool.submit(self._up_one, *word.split(":")) for word in machines]
            for future in futures:
                future.result()

    def _up_one(self, name: str, *words: str) -> None:
        if name == "registry":
            self.registry()
        elif name == "windows":
            self.windows()
        else:
            kernel = "kernel" in words
            image = next((word for word in words if word != "kernel"), "machine")
            self.machine(name, image=image, kernel=kernel)

    def machine(
        self,
        name: str,
        *,
        image: str = "machine",
        users: Sequence[str] = DEFAULT_USERS,
        fresh: bool = False,
        kernel: bool | KernelOptions = False,
        disks: bool = False,
    ) -> Machine:
        """Return the machine of that name, up and reachable over ssh; make it if there is none.

        `image` is "machine" (a plain Debian 13 server), "machine-podman" (with podman and the rest installed),
        "machine-docker" (with Docker and docker compose) or "machine-kubernetes" (a node; see `kubernetes`).
        `users` are ordinary users to make, the first with uid 1000 and the range 100000:65536, as Debian does it.
        `fresh` removes a machine of that name first. `kernel` gives it a kernel of its own (see KernelMachine). `disks`
        lets one without have loop devices (see lab/systems/lxd/disks.py).
        """
        names.checked_name(name, "a machine")
        if name in names.SERVICES:
            raise LabError(f"{name!r} is the name of a service of the lab. Nothing was made. Choose another name.")
        self.prepare()
        if fresh:
            self.remove(name)
        tag = ensure_disk(self.images, image, self.say) if kernel else self.images.ensure(image)
        hardware = kernel if isinstance(kernel, KernelOptions) else KernelOptions()
        container = self._container(name)
        with machine_lock(f"{container}"):
            found = cli.inspect("container", container)
            if found is None:
                if kernel:
                    words = container_options(hardware, self._names().address)
                else:
                    words = containers.machine_options(container)
                    words += node_options(container) if image == NODE_IMAGE else []
                    words += containers.disk_options() if disks else []
                self._create(name, image, tag, words, kernel=bool(kernel))
                created = True
            else:
                created = False
                if not found["State"]["Running"]:
                    cli.docker("start", container)
            machine = self.find(name)
            if created and isinstance(machine, KernelMachine):
                machine.set_up(hardware)
            if created:
                admission.admit(machine, ssh_files.ensure_key(self.folder), users)
            elif found is not None and found["Config"]["Image"] != tag:
                self.say(
                    f"{name} was made from another recipe than today's; `python -m lab down` and `up` make it anew"
                )
            key = machine.wait_until_up()
            admission.check_reachable(machine)
            self._record(name, {**self._entry(machine), "host-key": " ".join(key.split()[:2])})
        return machine

    def machines(self, wanted: Iterable[str], **options: Any) -> list[Machine]:
        """Make several machines at once; the options are those of `machine`."""
        with ThreadPoolExecutor(4, thread_name_prefix="lab-machines") as pool:
            return list(pool.map(functools.partial(self.machine, **options), wanted))

    def registry(self) -> Service:
        """Return the image registry, up and filled; machines reach it as `registry:5000` and as docker.io's mirror."""
        self.prepare()
        tag = service.ensure_registry_image(self.images, self.say)
        return self._service("registry", tag, service.REGISTRY_PORT)

    def windows(self) -> Service:
        """Return the stand-in for the Windows machine, up, with its share's password in .lab/windows.json."""
        self.prepare()
        made = self._service("windows", self.images.ensure("windows"), 445)
        service.set_share_password(made, self.folder)
        return made

    def _names(self) -> Service:
        # Docker tells names to containers alone; a machine with a kernel of its own asks this one.
        options = ["--restart", "unless-stopped", "--entrypoint", NAMES_PROGRAM]
        return self._service("names", self.images.ensure("emulator"), 53, options)

    def share(self) -> service.LabShare:
        """Return how to reach the share of the Windows stand-in."""
        return service.read_share(self.folder)

    def kubernetes(self, nodes: int = 1) -> Cluster:
        """Return the lab's Kubernetes cluster, up and ready, on machines `kube1`, `kube2`, ...; made if there is none.

        The first time on a computer Kubernetes itself is built: some 15 minutes on two cores.
        """
        return ensure_cluster(self, nodes)

    def todo_images(self) -> dict[str, str]:
        """Return the todo app's images in the lab's registry, by digest: `backend` and `frontend`; built if missing."""
        return images.ensure(self)

    def seed_old_containers(self, machine: Machine, user: str = "backstage440") -> None:
        """Give a user the task list's rootless containers `secondbrain-backend` and `secondbrain-ollama`, running."""
        self.registry()
        old_containers.seed(machine, user)

    def change_address(self, machine: Machine) -> Machine:
        """Give a machine another address, as a router does with a new lease; it stays the same machine, running."""
        with machine_lock(f"{self.prefix}-network"):
            network = containers.ensure_network(self.prefix, self.labels)
            address = containers.free_address(network, self.prefix, machine.name)
            cli.docker("network", "disconnect", self.prefix, machine.container)
            place = ["--ip", address, "--alias", machine.name]
            cli.docker("network", "connect", *place, self.prefix, machine.container)
        moved = self.find(machine.name)
        if isinstance(moved, KernelMachine):
            moved.follow_its_container()
        self._record(moved.name, {**self._entry(moved), "host-key": moved.host_key()})
        return moved

    def remove(self, name: str) -> None:
        """Remove one machine or service with its volumes; no error if there is none."""
        container = self._container(name)
        containers.remove([container])
        containers.remove((), cli.names("volume", {**self.labels, names.LABEL_MACHINE: name}))
        if self.folder.exists():
            self._record(name, None)

    def hosts(self) -> dict[str, dict[str, Any]]:
        """Return what .lab/hosts.json says: name -> address, port, user, image, kind and host key."""
        return records.read(self.folder)

    def status(self) -> list[dict[str, str]]:
        """Return one entry per container of the lab: name, kind, address, image, state."""
        return contents.status(self.labels, self.prefix)

    def down(self, *, purge: bool = False) -> None:
        """Remove everything of this lab; with `purge` the shared images too.

        A Docker that a lab started ends with the last lab; one that was there before stays.
        """
        with machine_lock(daemon.LOCK):
            contents.remove(self.labels, self.say, purge=purge)
        self._prepared = False
        for name in (*FILES, KUBECONFIG):
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / CACHE, ignore_errors=True)
        with contextlib.suppress(OSError):
            # Only if nothing else lies in it: the folder may have been the caller's.
            self.folder.rmdir()

    def _container(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def _service(self, name: str, tag: str, port: int, options: Sequence[str] = SERVICE_OPTIONS) -> Service:
        container = self._container(name)
        with machine_lock(container):
            found = cli.inspect("container", container)
            if found is None:
                self._create(name, name, tag, [*options])
                cli.docker("start", container)
            elif not found["State"]["Running"]:
                cli.docker("start", container)
            found = cli.inspect("container", container)
            assert found is not None
            made = Service(name, container, contents.address_of(found, self.prefix), name, port)
            made.wait_until_up()
            self._record(name, {"kind": "service", "address": made.address, "port": port, "image": name})
        return made

    def _create(self, name: str, image: str, tag: str, options: list[str], *, kernel: bool = False) -> None:
        with machine_lock(f"{self.prefix}-network"):
            network = containers.ensure_network(self.prefix, self.labels)
            address = containers.free_address(network, self.prefix, name)
            kind = "service" if name in names.SERVICES else "machine"
            labels = {**self.labels, names.LABEL_MACHINE: name, names.LABEL_KIND: kind, "hearth.lab.image": image}
            labels |= {names.LABEL_KERNEL: "qemu"} if kernel else {}
            containers.create_container(self._container(name), name, tag, self.prefix, address, labels, options)

    def find(self, name: str) -> Machine:
        """Return the machine of that name as it is, on or off; raise LabError if there is none."""
        container = self._container(name)
        found = cli.inspect("container", container)
        if found is None:
            raise LabError(f"There is no machine {name!r} in the lab {self.name!r}. Make it with `machine({name!r})`.")
        labels = found["Config"]["Labels"]
        kind = KernelMachine if names.LABEL_KERNEL in labels else Machine
        image = labels.get("hearth.lab.image", "machine")
        return kind(name, container, contents.address_of(found, self.prefix), image, self.folder)

    def _entry(self, machine: Machine) -> dict[str, Any]:
        return {"kind": "machine", **{field: getattr(machine, field) for field in ("address", "port", "user", "image")}}

    def _record(self, name: str, entry: dict[str, Any] | None) -> None:
        with machine_lock(f"{self.prefix}-files"):
            records.write(self.folder, name, entry)

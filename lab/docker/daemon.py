"""Looks at this machine, and brings it to where a lab can be made: installs, starts Docker, ends it again."""

from __future__ import annotations

import grp
import json
import os
import platform
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from lab.docker import cli
from lab.docker.host_settings import os_release
from lab.docker.requirements import HostFacts, Plan, decide
from lab.errors import EngineError, RequirementError
from lab.names import LABEL_LAB
from toolchain.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# In /run, and not in a lab's folder: several labs may use the Docker that one of them started.
RECORD_FOLDER = Path("/run/hearth-lab")
RECORD = RECORD_FOLDER / "dockerd.json"
# The name of the machine_lock under which Docker is started and ended and labs' networks come and go. A lab's network
# is what tells another lab that Docker is in use: without the lock one lab's end would stop Docker under another's.
LOCK = "host"
NETWORK_STORE = Path("/var/lib/docker/network/files/local-kv.db")
START_SECONDS = 120
STOP_SECONDS = 120
INSTALL_SECONDS = 600


def probe() -> HostFacts:
    """Return what is on this machine; changes nothing, takes a fraction of a second."""
    release = os_release()
    family = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    client = shutil.which("docker", path=f"{os.environ.get('PATH', '')}:{PATH}") is not None
    answers = client and engine_answers()
    storage = next((path for path in ("/var/lib/docker", "/var/lib", "/") if Path(path).is_dir()), "/")
    return HostFacts(
        system=platform.system(),
        architecture=platform.machine(),
        root=os.geteuid() == 0,
        in_docker_group=_in_docker_group(),
        debian_like=bool(family & {"debian", "ubuntu"}) and shutil.which("apt-get") is not None,
        ubuntu="ubuntu" in family,
        engine_answers=answers,
        client_installed=client,
        daemon_installed=shutil.which("dockerd", path=PATH) is not None,
        debootstrap_installed=shutil.which("debootstrap", path=PATH) is not None,
        ssh_installed=shutil.which("ssh") is not None,
        systemd=Path("/run/systemd/system").is_dir(),
        # Asking apt takes a second, and the answer matters only where Docker is to be installed.
        docker_cli_packaged=not answers and _packaged("docker-cli"),
        free_gib=shutil.disk_usage(storage).free / 2**30,
        storage=storage,
    )


def prepare(say: Callable[[str], None]) -> None:
    """Bring this machine to where Docker answers; raise RequirementError with what to run where that can't be done.

    The caller holds the machine_lock LOCK until its lab has a network.
    """
    plan = decide(probe())
    if plan.refusals:
        raise RequirementError("The lab can't start here:\n" + "\n".join(f"- {line}" for line in plan.refusals))
    if plan.packages:
        _install(plan, say)
    if plan.start:
        _start(plan.start, say)


def engine_answers() -> bool:
    """Say whether Docker answers this user."""
    try:
        return cli.docker("version", "--format", "{{.Server.Version}}", timeout=45, check=False).ok
    except EngineError:
        return False


def end_docker_if_ours(say: Callable[[str], None]) -> None:
    """End the Docker that a lab started, by its process id, if nothing at all runs or lies in it any more.

    A Docker that was there before has no record here and is never touched. The caller holds the machine_lock LOCK.
    """
    if not RECORD.exists() or os.geteuid() != 0:
        return
    record = json.loads(RECORD.read_text())
    pid = int(record["pid"])
    if _start_time(pid) == record["start_time"]:
        others = cli.docker("ps", "--all", "--quiet", check=False).stdout.split()
        labs = cli.docker("network", "ls", "--quiet", "--filter", f"label={LABEL_LAB}", check=False).stdout.split()
        if others or labs:
            say(f"Docker (process {pid}), which a lab started, has other users: left running")
            return
        os.kill(pid, signal.SIGTERM)

        def still_there(_: bool) -> NoReturn:
            raise EngineError(
                f"Docker (process {pid}), which the lab started, did not end within {STOP_SECONDS} s of "
                "SIGTERM. Everything of the lab is removed but for this process. End it by its id."
            )

        wait_until(lambda: _start_time(pid) != record["start_time"], STOP_SECONDS, still_there)
        say(f"ended Docker (process {pid}), which a lab had started")
    shutil.rmtree(RECORD_FOLDER, ignore_errors=True)


def why_it_ended(log: str) -> str:
    """Return what a dockerd that ended at its start said last: from the panic on, if there was one, with the remedy."""
    lines = log.splitlines()
    panic = next((number for number, line in enumerate(lines) if line.startswith("panic:")), None)
    if panic is None:
        return "\n".join(lines[-8:])
    told = "\n".join(lines[panic : panic + 8])
    if ".reservePools(" in told:
        told += (
            "\nDocker was ended in the middle of removing a network, and this version can't read what that left "
            f"(https://github.com/moby/moby/issues/45057). Move its store of networks away: `mv {NETWORK_STORE} "
            f"{NETWORK_STORE}.damaged`, then try again. Networks that you made with `docker network create` have to "
            "be made again; a lab makes its own."
        )
    return told


def _install(plan: Plan, say: Callable[[str], None]) -> None:
    say(f"missing on this machine, being installed: {', '.join(plan.packages)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    update = cli.run(["apt-get", "update", "-q"], env=env, timeout=INSTALL_SECONDS, check=False)
    command = ["apt-get", "install", "--yes", "-q", "--no-install-recommends", *plan.packages]
    result = cli.run(command, env=env, timeout=INSTALL_SECONDS, check=False)
    if not result.ok:
        words = "\n".join((update.stderr + result.stderr).strip().splitlines()[-8:])
        raise RequirementError(
            f"`{' '.join(command)}` ended with {result.returncode}; without these packages the lab has no Docker. "
            f"Nothing else was done. Put apt right and try again:\n{words}"
        )


def _start(how: str, say: Callable[[str], None]) -> None:
    if engine_answers():
        return
    log = RECORD_FOLDER / "dockerd.log"
    if how == "systemctl":
        say("Docker is not running: starting its service")
        cli.run(["systemctl", "start", "docker"], timeout=START_SECONDS * 2)
        process = None
    else:
        say("Docker is not running and there is no systemd here: starting dockerd")
        program = shutil.which("dockerd", path=PATH)
        if program is None:
            raise RequirementError("dockerd is still missing after the installation. Install Docker, then try again.")
        RECORD_FOLDER.mkdir(mode=0o755, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [program],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, "PATH": PATH},
            )
        RECORD.write_text(json.dumps({"pid": process.pid, "start_time": _start_time(process.pid)}))

    def answers() -> bool:
        if engine_answers():
            return True
        if process is not None and process.poll() is not None:
            told = why_it_ended(log.read_text(errors="replace"))
            shutil.rmtree(RECORD_FOLDER, ignore_errors=True)
            raise RequirementError(f"dockerd ended with {process.returncode} right after its start:\n{told}")
        return False

    def silent(_: bool) -> NoReturn:
        raise RequirementError(
            f"Docker did not answer within {START_SECONDS} s of being started. Look at {log} "
            "or `journalctl -u docker`, then try again."
        )

    wait_until(answers, START_SECONDS, silent)
    if process is not None:
        say(f"started dockerd (process {process.pid}); the last `lab down` ends it")


def _start_time(pid: int) -> str:
    """Return when a process started (proc(5), field 22): a reused id is not taken for it. Empty if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    # A zombie has ended: only its parent's wait is missing.
    return "" if fields[0] == "Z" else fields[19]


def _in_docker_group() -> bool:
    try:
        return grp.getgrnam("docker").gr_gid in os.getgroups()
    except KeyError:
        return False


def _packaged(name: str) -> bool:
    if shutil.which("apt-cache") is None:
        return False
    done = subprocess.run(["apt-cache", "show", "--no-all-versions", name], capture_output=True, check=False)
    return done.returncode == 0 and bool(done.stdout.strip())

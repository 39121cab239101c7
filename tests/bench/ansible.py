"""Ansible's side: Debian's ansible-core with a playbook as people write it, over the same ssh.

Pipelining is on and forks are 10. ControlPersist and the gathering of facts are as Ansible has them by default. The
control sockets lie in the bench's own folder and are closed at the end.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.bench.workload import FILE, UNIT, Workload, WrongResult, file_text, unit_text
from toolchain import apt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lab import Machine

# One half of the files is copied as it is, the other made from a template.
PLAYBOOK = """
- name: Files and services
  hosts: all
  become: true
  tasks:
    - name: Files
      ansible.builtin.copy:
        src: "files/{{{{ item }}}}"
        dest: "{file}"
        mode: "0644"
      loop: "{{{{ range({half}) | list }}}}"

    - name: Files from a template
      ansible.builtin.template:
        src: file.j2
        dest: "{file}"
        mode: "0644"
      loop: "{{{{ range({half}, {files}) | list }}}}"

    - name: Unit files
      ansible.builtin.template:
        src: unit.j2
        dest: "/etc/systemd/system/{unit}"
        mode: "0644"
      loop: "{{{{ range({units}) | list }}}}"
      register: unit_files

    - name: Read the unit files anew
      ansible.builtin.systemd:
        daemon_reload: true
      when: unit_files is changed

    - name: Services
      ansible.builtin.systemd:
        name: "{unit}"
        enabled: true
        state: started
      loop: "{{{{ range({units}) | list }}}}"
"""
CONFIGURATION = """
[defaults]
inventory = inventory
forks = 10
nocows = true
[ssh_connection]
pipelining = true
control_path_dir = {sockets}
"""
CLEAN = """
systemctl disable --now --quiet {units}
cd /etc && rm -f hearth-bench-*.conf systemd/system/hearth-bench-*.service
systemctl daemon-reload
"""
INDEX = "{{ item }}"


class Ansible:
    """One playbook over all machines."""

    name = "Ansible"

    def __init__(self, folder: Path, machines: Sequence[Machine], workload: Workload) -> None:
        install()
        folder.mkdir(parents=True)
        self._folder = folder
        self._machines = machines
        self._workload = workload
        self._sockets = folder / "s"
        self._write()

    def _write(self) -> None:
        number = "{{ '%04d' % item }}"
        half = self._workload.files // 2
        values = {
            "file": FILE.replace("{index:04d}", number),
            "unit": UNIT.replace("{index:04d}", number),
            "half": half,
            "files": self._workload.files,
            "units": self._workload.units,
        }
        hosts = "\n".join(machine.name for machine in self._machines)
        ssh = f"ansible_ssh_common_args='-F {self._machines[0].ssh_config}'"
        texts = {
            "site.yml": PLAYBOOK.format(**values),
            "ansible.cfg": CONFIGURATION.format(sockets=self._sockets),
            "inventory": f"{hosts}\n\n[all:vars]\n{ssh}\nansible_python_interpreter=/usr/bin/python3\n",
            "file.j2": file_text(INDEX),
            "unit.j2": unit_text(INDEX),
        }
        for name, text in texts.items():
            (self._folder / name).write_text(text)
        (self._folder / "files").mkdir()
        for index in range(half):
            (self._folder / "files" / str(index)).write_text(file_text(str(index)))

    def run(self, phase: str) -> None:
        """Do one phase. A second run or a check that finds something to change is an error."""
        play(
            self._folder,
            phase,
            lambda changed: (
                len(changed) == len(self._machines) and all((count > 0) == (phase == "first up") for count in changed)
            ),
        )

    def reset(self) -> None:
        """Take all away over Docker, and close Ansible's connections."""
        units = " ".join(UNIT.format(index=index) for index in range(self._workload.units))
        for machine in self._machines:
            machine.run(CLEAN.format(units=units))
        for socket in self._sockets.glob("*"):
            command = ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "any"]
            subprocess.run(command, capture_output=True, check=False)


def install() -> None:
    """See to it that ansible-core is here: from Debian's archive, as root."""
    if shutil.which("ansible-playbook") is None:
        if not apt.can_install():
            raise WrongResult(
                "ansible-playbook is not on the PATH, so there is nothing to compare with, and only root may install "
                "it. Run `apt-get install ansible-core` and the bench again."
            )
        apt.install("ansible-core")


def play(folder: Path, phase: str, right: Callable[[list[int]], bool]) -> None:
    """Do one phase of the playbook in a folder.

    `right` is asked how many tasks changed something on each machine. Raises WrongResult, with what was printed last,
    where that is not right or the playbook failed.
    """
    check = ["--check", "--diff"] if phase == "drift check" else []
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    answer = subprocess.run(
        ["ansible-playbook", "site.yml", *check],
        cwd=folder,
        env={**environment, "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    changed = [int(number) for number in re.findall(r"^\S+ +: ok=\d+ +changed=(\d+)", answer.stdout, re.MULTILINE)]
    if answer.returncode != 0 or not right(changed):
        raise WrongResult(
            f"Ansible's {phase} ended with {answer.returncode} and changed {changed} tasks:\n"
            + "\n".join([*answer.stdout.splitlines()[-40:], answer.stderr])
        )

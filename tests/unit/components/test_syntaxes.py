"""What is written into another program's syntax is what that program reads, whatever the value."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from components.blocks.unit_text import path_word
from components.core.ssh import docker_host, ssh_command
from components.lxd.environment import quoted
from components.lxd.environment import text as environment_text
from components.lxd.instances import user_data
from components.lxd.ssh_files import Peer, config_entries
from config.calendar import calendar
from config.hosts import Machines
from config.secret_rules import environment_lines
from config.systems.lxd.parts import Instance
from tests.needs import needs
from tests.unit.components.test_unit_text import NONCHARACTERS
from tests.unit.components.unit_reader import words
from tests.unit.systems.maubot.test_programs import health

NASTY = "%$\\\"' \t;#[]{}()`!&|<>*?~=:@,a1ü€😀"
lines = st.text(
    st.one_of(st.sampled_from(NASTY), st.characters(exclude_characters=NONCHARACTERS, exclude_categories=["Cs", "Cc"])),
    max_size=30,
)
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@needs("ssh", "openssh-client")
@few
@given(user=lines.filter(str.strip), key=lines.filter(str.strip))
def test_ssh_reads_user_and_key_of_the_entry_and_no_option_more(tmp_path: Path, user: str, key: str) -> None:
    peer = Peer("brain", "192.0.2.7", 2222)
    file = tmp_path / "config"
    file.write_text(config_entries([peer], user, f"/keys/{key}"))
    command = ["ssh", "-G", "-F", str(file), "brain"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "%" in key or "%" in user or "$" in key or "$" in user or "~" in user:
        return  # tokens and variables are ssh's own, and a user of a machine has none of them
    assert done.returncode == 0, done.stderr
    read = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
    assert (read["user"], read["identityfile"]) == (user, f"/keys/{key}")
    assert (read["hostname"], read["port"]) == ("192.0.2.7", "2222")
    plain = tmp_path / "plain"
    plain.write_text(config_entries([peer], "ann", "/keys/id"))
    command = ["ssh", "-G", "-F", str(plain), "brain"]
    others = dict(
        line.split(" ", 1) for line in subprocess.check_output(command, text=True).splitlines() if " " in line
    )
    changed = {name for name in others.keys() | read.keys() if others.get(name) != read.get(name)}
    assert changed <= {"user", "identityfile"}


SSH = '#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done\n'


@few
@given(command=lines, user=st.sampled_from(["ann", "ann@corp", "ann.smith", "svc$"]))
def test_a_command_for_another_machine_arrives_as_one_word(tmp_path: Path, command: str, user: str) -> None:
    (tmp_path / "ssh").write_text(SSH)
    (tmp_path / "ssh").chmod(0o755)
    machines = Machines.from_namespace({"hosts": {"pi": {"address": "fd00::7", "user": user, "port": 22}}})
    text = ssh_command(machines, "pi", command, tmp_path)
    done = subprocess.run(["/bin/sh", "-c", text], env={"PATH": f"{tmp_path}:/bin"}, capture_output=True, check=True)
    arrived = done.stdout.decode().split("\0")[:-1]
    assert arrived[-2:] == ["fd00::7", command]
    assert arrived[arrived.index("-l") + 1] == user
    address = urlsplit(docker_host(machines, "pi"))
    assert (unquote(address.username or ""), address.hostname, address.port) == (user, "fd00::7", 22)


variables = st.dictionaries(st.from_regex(r"\A[A-Z][A-Z0-9_]{0,6}\Z"), lines, min_size=1, max_size=4)
PRINT = 'set -eu; . "$1"; shift; for name; do eval "value=\\$$name"; printf "%s\\0" "$value"; done'


@pytest.mark.parametrize("shell", ["bash", "dash"])
@few
@given(values=variables)
def test_a_shell_reads_the_environment_file_as_it_was_meant(
    tmp_path: Path, shell: str, values: Mapping[str, str]
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here")
    file = tmp_path / "env"
    file.write_text(environment_text(values, "", ()))
    names = [f"V_{name}" for name in values]
    file.write_text(environment_text({f"V_{name}": value for name, value in values.items()}, "", ()))
    done = subprocess.run([shell, "-c", PRINT, "sh", str(file), *names], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == list(values.values())


def read_by_systemd(text: str) -> str:
    """Read one value as parse_env_file() of systemd does (systemd.exec(5), EnvironmentFile).

    Nothing is an escape in single quotes; in double quotes a backslash is one before itself, a quote, a dollar sign and
    a backquote.
    """
    if text.startswith("'"):
        assert text.endswith("'")
        assert "'" not in text[1:-1]
        return text[1:-1]
    assert re.fullmatch(r'"([^"\\]|\\.)*"', text)
    return re.sub(r'\\(["\\$`])', r"\1", text[1:-1])


@given(lines)
def test_systemd_reads_a_variable_of_the_environment_file_as_it_was_meant(value: str) -> None:
    assert read_by_systemd(quoted(value)) == value


@given(lines)
def test_a_line_of_the_secret_variables_is_taken_as_it_is(value: str) -> None:
    secret = f"# a note\nA={value}\n\nB=x"
    environment_lines(secret)
    assert environment_text({}, secret, ("B",)) == f"A={quoted(value)}\nB='x'\n"


@pytest.mark.parametrize("character", [*"\n\r\0", *NONCHARACTERS])
def test_what_systemd_refuses_a_file_for_is_in_none(character: str) -> None:
    with pytest.raises(ValueError, match="one line of text"):
        quoted(f"a{character}b")


@given(lines.filter(lambda value: value != ""))
def test_a_path_of_a_units_list_is_one_path(value: str) -> None:
    (read,) = words(path_word(value))
    assert "%" not in read.replace("%%", "")
    assert read.replace("%%", "%") == value


@given(name=lines, comment=lines)
def test_cloud_init_reads_logins_as_they_were_meant(name: str, comment: str) -> None:
    key = f"ssh-ed25519 AAAA {comment}"
    instance = Instance.model_construct(
        **Instance.model_validate({"member": "m1", "image": "debian"}).__dict__ | {"users": {}, "packages": ("curl",)}
    )
    login = Instance.model_fields["users"].annotation
    assert login is not None
    made = instance.model_copy(update={"users": {name: _Login((key,), True)}})
    text = user_data("web", made, "c.example.org")
    assert text.startswith("#cloud-config\n")
    read = yaml.safe_load(text)
    assert [(each["name"], each["ssh_authorized_keys"]) for each in read["users"]] == [(name, [key])]
    assert read.keys() == {"hostname", "ssh_pwauth", *_WHOLE_NAME, "users", *_PACKAGES}


_WHOLE_NAME = ("fqdn", "prefer_fqdn_over_hostname", "manage_etc_hosts")
_PACKAGES = ("package_update", "packages")


class _Login:
    """A login, with keys of any text."""

    def __init__(self, keys: tuple[str, ...], sudo: bool) -> None:
        self.keys, self.sudo = keys, sudo


_USUAL = ("daily", "Mon", "Mon..Fri 04:00", "Sat,Sun *-*-* 12:00", "*-*-01/2 3:05:00 UTC", "*:0/15", "1..5:00")
_DATES = r"((20[2-3][0-9]|\*)-([1-9]|1[0-2]|\*)-([1-9]|[12][0-9]|\*) )?"
_TIMES = r"[0-9]{1,2}(\.\.[0-9]{1,2})?:[0-9]{1,2}(:[0-9]{1,2})?"
events = st.one_of(
    st.sampled_from(_USUAL),
    st.from_regex(rf"\A((Mon|Tue|Sun|Friday)(\.\.(Fri|Sat|Mon))? )?{_DATES}{_TIMES}\Z"),
    st.text("0123456789*-:/,.~ MonTue", max_size=12),
)


@needs("systemd-analyze", "systemd")
@settings(max_examples=60, deadline=None)
@given(events)
def test_a_time_that_is_taken_is_one_of_systemds(value: str) -> None:
    try:
        calendar(value)
    except ValueError:
        return
    done = subprocess.run(["systemd-analyze", "calendar", "--", value], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (value, done.stderr)


labels = st.text(st.one_of(st.sampled_from('\\"\n\r{}=, #'), st.characters(exclude_categories=["Cs"])), max_size=20)


@given(labels, labels)
def test_prometheus_reads_labels_as_they_were_meant(value: str, other: str) -> None:
    lines = [f'maubot_client_up{{client="{health.label(each)}"}} 1\n' for each in (value, other)]
    (family,) = text_string_to_metric_families("# TYPE maubot_client_up gauge\n" + "".join(lines))
    assert [(each.labels, each.value) for each in family.samples] == [({"client": each}, 1) for each in (value, other)]


@given(st.lists(lines, max_size=3))
def test_the_standard_librarys_quoting_is_read_by_a_shell_as_it_was_meant(values: list[str]) -> None:
    assert shlex.split(shlex.join(values)) == values

"""Commands in a container through one `docker exec` that stays. `docker` is a script here, which runs the words."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.docker import inside
from lab.errors import EngineError

DOCKER = """#!/bin/sh
echo "$4" >> "{log}"
case $3 in
    bare) [ "$4" != python3 ] || exit 127 ;;
    off) echo "container off is not running" >&2; exit 1 ;;
esac
shift 3
exec "$@"
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the file that has the first word of each `docker exec`."""
    program, log = tmp_path / "bin" / "docker", tmp_path / "log"
    program.parent.mkdir()
    program.write_text(DOCKER.format(log=log))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(inside, "_servers", {})
    monkeypatch.setattr(inside, "_without", set())
    yield log
    for container in ("box", "bare", "off"):
        inside.forget(container)


def started(log: Path) -> list[str]:
    return log.read_text().split()


def test_one_exec_serves_all_commands_of_a_container_one_after_another(log: Path):
    for number in range(5):
        assert inside.run("box", "echo", str(number)).stdout == f"{number}\n"
    assert started(log) == ["python3"]


@pytest.mark.parametrize("container", ["box", "bare"])
@pytest.mark.parametrize(
    ("command", "data", "expected"),
    [
        ("cat; echo no >&2; exit 7", b"yes", (7, "yes", "no\n")),
        ("wc -c", b"\0\xff\n" * 400_000, (0, "1200000\n", "")),
        ("head -c 3000000 /dev/zero | tr '\\0' x", b"", (0, "x" * 3_000_000, "")),
        ("printf '\\303\\050'", b"", (0, "\ufffd(", "")),
        ("true", b"is not read" * 100_000, (0, "", "")),
        ("cat", "dü\nß", (0, "dü\nß", "")),
        ("exec 1>&- 2>&-; exit 3", b"", (3, "", "")),
    ],
)
def test_input_output_errors_and_status_are_the_commands_own(
    log: Path, container: str, command: str, data: bytes | str, expected: tuple[int, str, str]
):
    answer = inside.run(container, "sh", "-c", command, stdin=data, check=False)
    assert (answer.returncode, answer.stdout, answer.stderr) == expected


def test_what_a_signal_ended_and_what_is_not_there_have_dockers_exit_codes(log: Path, tmp_path: Path):
    assert inside.run("box", "sh", "-c", "kill -9 $$", check=False).returncode == 137
    assert inside.run("box", "no-such-program", check=False).returncode == 127
    (tmp_path / "plain").write_text("")
    assert inside.run("box", str(tmp_path / "plain"), check=False).returncode == 126
    assert started(log) == ["python3"]


def test_a_command_has_the_environment_of_the_exec_and_a_session_of_its_own(log: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    assert "LC_" not in inside.run("box", "env").stdout
    own, parent = inside.run("box", "sh", "-c", "ps -o sid= -p $$; ps -o sid= -p $PPID").stdout.split()
    assert own != parent


def test_an_error_has_the_command_and_its_last_lines(log: Path):
    with pytest.raises(EngineError, match=r"(?s)docker exec -i box sh -c .* ended with 5:.*the reason"):
        inside.run("box", "sh", "-c", "echo the reason >&2; exit 5")


def test_what_takes_too_long_is_an_error_and_the_next_command_is_answered(log: Path):
    with pytest.raises(EngineError, match=r"did not end within 0\.3 s"):
        inside.run("box", "sleep", "30", timeout=0.3)
    assert inside.run("box", "echo", "here").stdout == "here\n"
    assert started(log) == ["python3", "python3"]


def test_what_a_command_leaves_behind_does_not_keep_its_answer(log: Path):
    left = int(inside.run("box", "sh", "-c", "sleep 300 & echo $!").stdout)
    os.kill(left, 9)  # is there still


def test_a_command_beside_another_has_an_exec_of_its_own(log: Path, tmp_path: Path):
    waiting = f"echo > {tmp_path}/begun; until [ -e {tmp_path}/go ]; do sleep 0.02; done"
    first = threading.Thread(target=inside.run, args=("box", "sh", "-c", waiting))
    first.start()
    while not (tmp_path / "begun").exists():
        time.sleep(0.02)
    inside.run("box", "touch", f"{tmp_path}/go")
    first.join()
    assert started(log) == ["python3", "touch"]


def test_a_server_that_was_ended_is_started_anew_and_what_ended_with_it_says_so(log: Path):
    with pytest.raises(EngineError, match=r"ended with 137:.*\n?.*ended"):
        inside.run("box", "sh", "-c", "kill -9 $PPID; sleep 5")
    assert inside.run("box", "echo", "here").stdout == "here\n"


def test_a_container_that_is_off_says_so_in_dockers_words_and_is_asked_anew_each_time(log: Path):
    for _ in range(2):
        answer = inside.run("off", "true", check=False)
        assert (answer.returncode, answer.stderr.strip()) == (1, "container off is not running")
    assert started(log) == ["python3", "true"] * 2


def test_what_has_no_python_is_asked_for_it_once(log: Path):
    for _ in range(3):
        assert inside.run("bare", "echo", "here").stdout == "here\n"
    assert started(log) == ["python3", "echo", "echo", "echo"]


def test_without_docker_the_error_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="'docker' is not on this machine"):
        inside.run("box", "true")

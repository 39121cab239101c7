"""What the kind Unit reads out of names and texts, and what it refuses."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from providers.kinds.unit import systemd
from providers.kinds.unit.check import complaints
from providers.kinds.unit.facts import UnitInputs, digest, stamp_of
from providers.kinds.unit.kind import KIND
from tests.needs import needs

TEXT = "[Service]\nExecStart=/usr/bin/web\n[Install]\nWantedBy=multi-user.target\n"
WISH: dict[str, object] = {"host": "box", "name": "web.service", "text": TEXT, "enabled": True, "running": True}


@pytest.mark.parametrize(("user", "identity"), [(None, "system/a.service"), ("pod", "user/pod/a.service")])
def test_an_identity_says_whose_the_unit_is(user: str | None, identity: str):
    wish = UnitInputs(host="box", name="a.service", user=user)
    assert KIND.identify(wish) == identity
    assert KIND.parse is not None
    assert UnitInputs(host="box", **KIND.parse(identity)) == wish


@pytest.mark.parametrize("identity", ["a.service", "user/a.service", "system/x/a.service", "else/a.service"])
def test_an_identity_that_is_none_is_refused(identity: str):
    assert KIND.parse is not None
    with pytest.raises(ValueError, match="machine/system/NAME"):
        KIND.parse(identity)


@needs("systemd-escape", "systemd")
@settings(max_examples=20)
@given(
    st.lists(
        st.text("aZ09 -_.:@\\äx2d", min_size=1, max_size=8).filter(lambda part: part not in (".", "..")), max_size=4
    )
)
def test_the_path_that_a_unit_stands_for_is_what_systemd_escapes(parts: list[str]):
    path = "/" + "/".join(parts)
    command = ["systemd-escape", "--path", "--suffix=mount", "--", path]
    name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.removesuffix("\n")
    assert systemd.path_of(name) == path


@pytest.mark.parametrize(
    ("name", "text", "service"),
    [
        ("a.service", None, "a.service"),
        ("a.container", None, "a.service"),
        ("a.pod", "", "a-pod.service"),
        ("a.network", "", "a-network.service"),
        ("a.volume", "", "a-volume.service"),
        ("a.kube", "", "a.service"),
        ("a@.container", "", "a@.service"),
        ("a.pod", "[Pod]\nServiceName = web\n", "web.service"),
        ("a.service", "ServiceName=web\n", "a.service"),
    ],
)
def test_the_service_of_a_unit_is_known_by_its_name(name: str, text: str | None, service: str):
    assert systemd.service_of(name, text) == service


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("[Install]\nWantedBy=default.target\n", True),
        ("[Install]\n RequiredBy = a.target\n", True),
        ("[Install]\n", False),
        ("[Install]\nWantedBy=\n", False),
        ("[Unit]\nWantedBy=default.target\n", False),
        ("#[Install]\n#WantedBy=default.target\n", False),
    ],
)
def test_an_install_section_is_found(text: str, answer: bool):
    assert systemd.installs(text) is answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [("", True), ("Type=exec", True), ("Type=notify\n", False), ("Type=oneshot\n", False), ("#Type=notify\n", True)],
)
def test_services_that_count_as_started_at_once_are_told_by_their_type(text: str, answer: bool):
    assert systemd.starts_at_once("a.service", text) is answer
    assert not systemd.starts_at_once("a.timer", text)


@pytest.mark.parametrize(
    ("said", "runs", "lines"),
    [
        ("web.service:2: Unknown key 'X' in section [Service], ignoring.", True, 1),
        ("other.service:2: Unknown key 'X' in section [Service], ignoring.", True, 0),
        ("web.service: Command /opt/x is not executable: No such file or directory", True, 1),
        ("web.service: Command /opt/x is not executable: No such file or directory", False, 0),
        ("web.service:1: bad\nUnit web.service has a bad unit file setting.", True, 1),
        ("Unit web.service has a bad unit file setting.", True, 1),
        ('converting "web.service": unsupported key', True, 1),
        ("Loading source unit file web.service", True, 0),
        ("my-web.service:2: Unknown key", True, 0),
    ],
)
def test_only_complaints_about_this_unit_count(said: str, runs: bool, lines: int):
    assert len(complaints(said, "web.service", runs=runs)) == lines


def test_the_noise_of_podman_is_not_shown_as_the_last_log_lines():
    noise = "Nov 21 p podman[2469]: 2026-11-21 09:47:43.866199723 +0000 UTC m=+0.458735216 container died 1116"
    assert systemd._NOISE.search(noise)
    assert not systemd._NOISE.search("Nov 21 p web[3]: podman is missing")


def test_a_stamp_tells_managers_apart_and_hides_what_it_is_made_of():
    assert stamp_of(UnitInputs.model_validate(WISH)) != stamp_of(UnitInputs.model_validate({**WISH, "user": "pod"}))
    assert "secret" not in digest(["secret"])


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"name": "web"}, "unit's full name"),
        ({"name": "../web.service"}, "unit's full name"),
        ({"text": "[Service]\nExecStart=/bin/true\n"}, r"no \[Install\] section"),
        ({"name": "web.container", "enabled": False}, r"has an \[Install\] section, which enables it"),
        ({"name": "web@.service"}, "never runs itself"),
        ({"start_timeout": 0}, "greater than 0"),
    ],
)
def test_a_wrong_value_is_rejected_with_its_rule(changes: dict[str, object], rule: str):
    with pytest.raises(ValidationError, match=rule):
        UnitInputs.model_validate({**WISH, **changes})

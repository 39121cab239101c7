"""Settings that would hurt a machine, and legal ones that look odd, each through the loader."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.accounts import BASE, GROUPS, LOGINS, SERVICES, whose
from config.loader import Parsed, parse
from config.mistakes import WrongSettings
from config.places import LOCAL, SYSTEM_ROOTS, system_place
from toolchain.versions import ROOT

BACKEND = {"backend-image": "docker.io/secondbrain/backend:latest", "backend-port": 8000}
SHARE = {"server": "windows", "name": "Hub"}
CANARY = "canary-d41e"


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with values put at dotted places."""
    found = json.loads(json.dumps(base))
    for place, value in changes.items():
        at = found
        *folders, last = place.split("/")
        for folder in folders:
            at = at.setdefault(folder, {})
        at[last] = value
    return found


def read(changes: dict[str, Any], secret_keys: set[str] | None = None, **more: Any) -> Parsed:
    base: dict[str, Any] = {
        "hosts": {"brain": {"user": "ann"}, "pi": {}},
        "secondbrain": {"host": "brain", "pod": BACKEND, "share": SHARE},
        "core": {"host": "pi"},
    }
    written = {key: json.dumps(value) for key, value in merged(base, changes).items()}
    secrets = {"secondbrain-smb-username": "u", "secondbrain-smb-password": "p"}
    secrets |= dict.fromkeys(("core-postgres-password", "core-secret-key", "core-access-password"), "k" * 32)
    keys = secrets.keys() | (secret_keys or set())
    return parse(written | secrets | more, set(keys), ROOT)


def refused(changes: dict[str, Any], *places: str, **more: Any) -> str:
    """Refused, at exactly these places; the message."""
    with pytest.raises(WrongSettings) as caught:
        read(changes, **more)
    paths = [mistake.path for mistake in caught.value.mistakes]
    assert sorted(set(paths)) == sorted(f"hearth:{place}" for place in places), str(caught.value)
    assert all(mistake.remedy and "; " not in mistake.rule for mistake in caught.value.mistakes)
    return str(caught.value)


ACCOUNTS = (
    "root daemon www-data nobody backup sshd systemd-network _apt docker sudo wheel shadow ubuntu pi ann "
    "0 1000 Ann -x a:b a@corp postgres messagebus a,b .a a. toor adm"
)


@pytest.mark.parametrize("name", [*ACCOUNTS.split(), "", "a b", "a\n", "x" * 33, "ä"])
def test_an_account_that_is_not_ours_or_no_name_is_refused(name: str):
    refused({"secondbrain/account/name": name}, "secondbrain.account.name")


@pytest.mark.parametrize("name", ["brain", "second_brain", "second.brain", "b-1", "a" * 32])
def test_an_account_of_its_own_is_taken(name: str):
    read({"secondbrain/account/name": name})


def test_every_known_account_belongs_to_somebody():
    assert [name for name in BASE | GROUPS | SERVICES | LOGINS if not whose(name)] == []
    assert [whose(name) for name in ("brain", "secondbrain", "ann.smith")] == ["", "", ""]


SYSTEM = (
    "/ /etc /home /usr /var /var/lib /srv /mnt /opt /root /root/x /etc/x /etc/ssh/x /boot/efi "
    "/usr/local/x /tmp/x /run/x /var/log/x /var/spool/x /var/lib/dpkg /var/lib/docker/x "
    "/var/lib/systemd/x /dev/shm/x /proc/1 /sys/x /bin/x /data /var/tmp/x /lib64/x /sbin/x "
    "/var/lib/apt/lists /var/run/x /snap/x //srv/x /srv/../etc x ./x ~/x"
)


@pytest.mark.parametrize(
    "path", [*SYSTEM.split(), "/srv/a\x1b", "/srv/a\\b", "/srv/a\n", "/srv/ a", "/srv/" + "x" * 256, ""]
)
@pytest.mark.parametrize("place", ["secondbrain/account/home", "secondbrain/share/mount-point", "core/backup/folder"])
def test_a_place_of_the_systems_is_refused(place: str, path: str):
    refused({place: path}, place.replace("/", "."))


@pytest.mark.parametrize(
    "path", ["/srv/brain", "/var/lib/brain", "/mnt/a/b", "/data/brain", "/opt/brain", "/var/local/x"]
)
@pytest.mark.parametrize("place", ["secondbrain/account/home", "secondbrain/share/mount-point", "core/backup/folder"])
def test_a_place_of_its_own_is_taken(place: str, path: str):
    read({place: path})


@given(
    root=st.sampled_from(sorted(SYSTEM_ROOTS)),
    rest=st.lists(st.from_regex(r"\A[a-z0-9._-]{1,12}\Z").filter(lambda part: part not in (".", "..")), max_size=4),
)
def test_nothing_below_a_root_of_the_systems_is_ours_but_a_folder_in_the_local_ones(root: str, rest: list[str]):
    path = PurePosixPath("/", root, *rest)
    local = any(path != place and path.is_relative_to(place) for place in LOCAL)
    assert system_place(path) or local


CREDENTIALS = (
    "/etc/sudoers /etc/passwd /etc/fstab /etc/x /root/cred /root/a/b /tmp/cred /tmp/a/b /srv/cred "
    "/home/ann/cred /etc/samba/smb.conf /etc/samba /etc/ssh/x /etc/sudoers.d/x /etc/cron.d/x /etc/pam.d/x "
    "/etc/systemd/system/x /usr/bin/x /etc/samba/a,uid=0,file_mode=0777,rw /etc/samba/a/b "
    "/var/lib/dpkg/info/x /etc/samba/x.conf /var/x"
)


@pytest.mark.parametrize(
    "path", [*CREDENTIALS.split(), "/etc/samba/a\\040b", "/etc/samba/a\x00b", "/etc/samba/a\x1b[2J"]
)
def test_a_place_for_credentials_that_programs_read_or_others_own_is_refused(path: str):
    refused({"secondbrain/share/credentials-file": path}, "secondbrain.share.credentials-file")


@pytest.mark.parametrize(
    "path", ["/etc/samba/cred", "/etc/samba/my cred", "/etc/cifs/x", "/srv/keys/x", "/var/lib/keys/x", "/opt/a/b/c"]
)
def test_a_place_for_credentials_of_its_own_is_taken(path: str):
    read({"secondbrain/share/credentials-file": path})


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ({"account/home": "/mnt/x", "share/mount-point": "/mnt/x"}, ["share.mount-point"]),
        ({"account/home": "/mnt/x", "share/mount-point": "/mnt/x/y"}, ["share.mount-point"]),
        ({"account/home": "/mnt/x/y", "share/mount-point": "/mnt/x"}, ["share.mount-point"]),
        ({"share/mount-point": "/srv/x", "share/credentials-file": "/srv/x/y"}, ["share.credentials-file"]),
        ({"account/home": "/srv/x", "share/credentials-file": "/srv/x/y/z"}, ["share.credentials-file"]),
        ({"account/home": "/opt/podmgr", "manager": "podmgr"}, ["account.home"]),
        ({"account/home": "/home/ann"}, ["account.home"]),
        ({"account/home": "/home/ann/brain"}, ["account.home"]),
        ({"share/mount-point": "/home/admin"}, ["share.mount-point"]),
        ({"share/mount-point": "/home/ann/.ssh"}, ["share.mount-point"]),
        (
            {"account/home": "/srv/a", "share/mount-point": "/srv/a/b", "share/credentials-file": "/srv/a/b/c"},
            ["share.mount-point", "share.credentials-file"],
        ),
        ({"account/private-homes": ["root"]}, ["account.private-homes"]),
        ({"account/private-homes": ["a", "b", "a"]}, ["account.private-homes"]),
        (
            {"migrate/user": "secondbrain", "account/private-homes": ["secondbrain"]},
            ["migrate.user", "account.private-homes"],
        ),
    ],
)
def test_places_and_accounts_that_are_in_one_anothers_way_are_refused_each(changes: dict[str, Any], places: list[str]):
    refused(
        {f"secondbrain/{key}": value for key, value in changes.items()}, *(f"secondbrain.{each}" for each in places)
    )


def test_an_account_may_have_its_home_below_home():
    read({"secondbrain/account/home": "/home/secondbrain"})


IMAGES = (
    "x secondbrain/backend:latest docker.io//a docker.io/A docker.io/a:  docker.io/a@sha256:1 a.b:0/c "
    "a.b:99999/c docker.io/a/ docker.io/a__b___c docker.io/a-.b https://docker.io/a docker.io/a:-x -x.y/z "
    "localhost a..b/c docker.io/a:b:c"
)


@pytest.mark.parametrize("image", [*IMAGES.split(), "", "docker.io/a b"])
def test_an_image_that_the_machine_would_refuse_is_refused(image: str):
    refused(
        {"secondbrain/pod/backend-image": image, "core/ollama/image": image},
        "secondbrain.pod.backend-image",
        "core.ollama.image",
    )


@pytest.mark.parametrize(
    "image", ["localhost/a", "r:5000/a", "docker.io/a/b-c__d.e:V_1.2-x", "[::1]:5000/a", "a.b/c@sha256:" + "0" * 64]
)
def test_a_full_name_of_an_image_is_taken(image: str):
    read({"secondbrain/pod/backend-image": image, "core/ollama/image": image})


WRONG: dict[str, list[Any]] = {
    "hosts/brain/port": [True, 0, 65536, "ssh"],
    "secondbrain/pod/start-timeout": [True, 0, "long"],
    "secondbrain/pod/health-interval": [True, 0, 301, "often"],
    "core/backend/port": [False, 70000],
    "core/backup/keep": [True],
    "secondbrain/share/port": [True],
    "hosts/brain/address": [
        "h:22",
        "u@h",
        "[::1]",
        "1.2.3",
        "1.2.3.256",
        "h/x",
        "::g",
        "a..b",
        "-a",
        "fe80::1%a b",
        "h:",
    ],
    "hosts/brain/user": ["0", "-a", "a b", "a\n", "@a", "a;b", ""],
    "hosts/brain/python": ["python3;id", "$(id)", "/usr/bin/x y", "-c", "a/b"],
    "secondbrain/pod/backend-addresses": [["0.0.0.0", "127.0.0.1"], [], "127.0.0.1"],
    "core/backend/addresses": [["::", "::1"], ["10.0.0.1", "10.0.0.1"]],
    "secondbrain/pod/name": ["_x", "-x", "x-", "x_", "X", "a..b", "x:1", "a/b", ""],
    "core/name": ["_x", "x-", "a___b", "X", "--latest"],
    "secondbrain/pod/backend-port": [443, True],
    "secondbrain/pod/backend-health-path": ["x", "/a b", "/%", "/%zz", "/a\\", '/a"', "/ü", "/a#b", "/a\n"],
    "secondbrain/pod/podman-version": ["4.5", "4.4.9", "3", "x5.1", "5.1 x", ""],
    "secondbrain/share/name": ["", "a,b", "a/b", "a\\b", 'a"b', "a:b", " a", "a\n", "x" * 81, "..", "a\x1bb", "a\0"],
    "core/postgres/user": ["pg_x", "Ann", "a b"],
    "core/postgres/database": ["template1", ""],
    "core/ollama/url": ["http://h:0", "http://h:99999", "http://1.2.3", "http://a..b", "ftp://h"],
}
ELSEWHERE: list[tuple[str, Any, str]] = [
    ("lost", ["h:22"], "lost[0]"),
    ("secondbrain/migrate", {"user": "old", "backend-container": "secondbrain-ollama"}, "secondbrain.migrate"),
    ("secondbrain/pod/backend-environment", {"A": "x\x1b"}, "secondbrain.pod.backend-environment.A"),
    ("core/backend/registry", "docker.io/a/b:1", "core.backend"),
    *(
        ("core/backend/addresses", [address], "core.backend.addresses[0]")
        for address in (True, 1, "224.0.0.1", "0.0.0.1", "255.255.255.255", "fe80::1%eth0", "host")
    ),
    *(
        (
            "secondbrain/migrate",
            {"user": "old", "ollama-container": name},
            "secondbrain.migrate.ollama-container",
        )
        for name in ("--latest", "-l", "", "a b", "a;id", ".x")
    ),
]


@pytest.mark.parametrize(("place", "value"), [(place, value) for place, values in WRONG.items() for value in values])
def test_such_a_setting_is_refused_where_it_stands(place: str, value: Any):
    refused({place: value}, place.replace("/", "."))


@pytest.mark.parametrize(("place", "value", "path"), ELSEWHERE)
def test_such_an_entry_is_refused_where_it_stands(place: str, value: Any, path: str):
    refused({place: value}, path)


LEGAL: dict[str, list[Any]] = {
    "secondbrain/share/name": ["My Hub", "Ann's files", "#1", "C$", "Übung", "a.b-c_d", "100% (new)"],
    "secondbrain/pod/backend-health-path": ["/a%20b", "/users/@me", "/x?a=1&b=%2F;c", "/", "/it's", "/a:b!*$()"],
    "hosts/brain/user": ["ann.smith", "ann@corp", "Ann", "ann@corp.example.com", "a_b-c", "svc$"],
    "secondbrain/migrate": [{"user": user} for user in ("ann.smith", "ann@corp", "backstage440")],
    "secondbrain/account/private-homes": [["ann.smith", "bob@corp"]],
    "hosts/Brain_2.Lab": [{"address": name} for name in ("HOST_1", "fe80::1%eth0", "::1", "192.168.1.5", "a.b.", "x")],
    "secondbrain/pod/podman-version": ["5.10.1-rc1", "4.6", "4.9.3", "5.4.2+ds1", "v5.0.0", "6.0-dev"],
    "secondbrain/pod/backend-addresses": [["127.0.0.1", "::1", "10.0.0.7"]],
    "core/backend/addresses": [["0.0.0.0", "::"]],
    "secondbrain/pod/backend-health-command": ['sh -c "exit 0" # 100% \\'],
    "secondbrain/pod/backend-environment": [{"A": "100% $HOME 'x' \"y\" \\ #; ü€", "_b": ""}],
    "secondbrain/share/mount-point": ["/mnt/My Hub's #1"],
    "hosts/brain/python": ["/usr/bin/python3.12"],
    "core/ollama/url": ["http://[fd00::1]:11434/base"],
    "core/name": ["mail-assistant_2"],
}


@pytest.mark.parametrize(("place", "value"), [(place, value) for place, values in LEGAL.items() for value in values])
def test_such_a_setting_is_legal(place: str, value: Any):
    read({place: value})


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ({"core/host": "brain", "core/backend/port": 11434}, ["core.backend.port"]),
        ({"core/host": "brain", "core/backend/addresses": ["127.0.0.1"]}, ["core.backend.port"]),
        ({"hosts/brain/address": "box", "hosts/pi/address": "BOX"}, ["core.backend.port"]),
        ({"core/backend/port": 22}, ["core.backend.port"]),
        ({"hosts/brain/port": 8000}, ["secondbrain.pod.backend-port"]),
        ({"secondbrain/pod/ollama-port": 8000}, ["secondbrain.pod"]),
    ],
)
def test_one_port_of_one_machine_is_not_given_out_twice(changes: dict[str, Any], places: list[str]):
    refused(changes, *places)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"core/host": "brain", "core/backend/port": 8001},
        {"core/host": "brain", "core/backend/addresses": ["10.0.0.1"]},
        {"core/host": "brain", "core/backend/port": 11434, "secondbrain/pod/ollama-addresses": []},
    ],
)
def test_other_ports_addresses_or_machines_are_no_collision(changes: dict[str, Any]):
    read(changes)


@pytest.mark.parametrize(
    ("key", "place", "named"),
    [
        ("secondbrain", "pod.backend-environment.TOKEN", "hearth:secondbrain-backend-environment"),
        ("secondbrain", "pod.backend-health-command", "hearth:secondbrain-smb-password"),
        ("core", "postgres.user", "hearth:core-postgres-password"),
        ("hosts", "brain.address", "nothing secret"),
        ("ssh-config", "", "nothing secret"),
    ],
)
def test_a_secret_within_a_plain_key_is_refused_with_the_key_to_use_and_never_shown(key: str, place: str, named: str):
    more: dict[str, Any] = {"ssh-config": "x"} if key == "ssh-config" else {}
    path = f"{key}.{place}" if place else key
    values: dict[str, Any] = {"hosts": {"brain": {}}, "secondbrain": {"host": "brain", "pod": BACKEND}, **more}
    written = {name: json.dumps(value) for name, value in values.items()}
    written |= {"core": '{"host": "brain"}'} if key == "core" else {}
    for given_places in ({key: [place]}, {}):
        with pytest.raises(WrongSettings) as caught:
            parse(written, {key}, ROOT, given=given_places)
        message = str(caught.value)
        assert named in message
        assert "pulumi config rm --path" in message
        assert not given_places or f"hearth:{path}" in message


def test_no_value_of_a_key_that_holds_a_secret_is_shown_whatever_else_is_wrong():
    with pytest.raises(WrongSettings) as caught:
        read({"secondbrain/pod/ollama-image": CANARY, "hosts/brain/address": f"{CANARY} x"}, {"secondbrain", "hosts"})
    assert CANARY not in str(caught.value)
    assert "must be the full name of an image" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("secondbrain-smb-password", f"{CANARY}\nuid=0", "must be one line"),
        ("secondbrain-smb-username", "", "must not be empty"),
        ("secondbrain-backend-environment", f"A=1\n{CANARY}\n", "line 2 is none"),
        ("secondbrain-backend-environment", f"1A={CANARY}", "line 1 is none"),
        ("secondbrain-backend-environment", f"A={CANARY}\r\nB=2", "line 1 is none"),
        ("secondbrain-backend-environment", f"A ={CANARY}", "line 1 is none"),
    ],
)
def test_a_secret_that_would_break_its_file_is_refused_without_being_shown(key: str, value: str, rule: str):
    message = refused({}, key, **{key: value})
    assert rule in message
    assert CANARY not in message


def test_comments_and_empty_lines_are_legal_in_a_secret_environment():
    read(
        {},
        secret_keys={"secondbrain-backend-environment"},
        **{"secondbrain-backend-environment": "# one\n\nA=b=c\nB=\n"},
    )

"""What the lab's Kubernetes cluster is made from: certificates, node files, pins, and the todo app's Dockerfiles."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
import socket
import threading
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from components.blocks.build_context import TODO
from lab import forward
from lab.docker import recipes
from lab.docker.host_settings import npm_settings
from lab.errors import LabError
from lab.kubernetes import build, certificates, node_files
from lab.kubernetes.node_files import Node
from lab.kubernetes.node_options import node_options
from lab.systems.todo import images
from tests.lab.conftest import ClusterScheduling
from toolchain import versions

ONE, TWO = Node("kube1", 1, "10.213.7.10"), Node("kube2", 2, "10.213.7.11")
IMAGE = recipes.FOLDER / "machine-kubernetes" / "files"


@pytest.fixture(scope="module")
def authority() -> certificates.Pair:
    return certificates.make_authority()


# Certificates


def test_a_nodes_certificate_names_its_user_its_group_and_its_addresses(authority: certificates.Pair) -> None:
    text = node_files.node_files(TWO, authority, "https://x")["/etc/kubernetes/pki/kubelet.crt"]
    certificate = x509.load_pem_x509_certificate(text.encode())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.public.encode()))
    names = {name: certificate.subject.get_attributes_for_oid(oid)[0].value for name, oid in _SUBJECT.items()}
    assert names == {"user": "system:node:kube2", "group": "system:nodes"}
    alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert alternative.get_values_for_type(x509.DNSName) == ["kube2"]
    assert alternative.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("10.213.7.11")]


_SUBJECT = {"user": NameOID.COMMON_NAME, "group": NameOID.ORGANIZATION_NAME}


def test_the_api_server_is_known_by_its_service_and_by_its_nodes_address(authority: certificates.Pair) -> None:
    text = node_files.control_plane_files(ONE, authority, "https://x")["/etc/kubernetes/pki/apiserver.crt"]
    found = x509.load_pem_x509_certificate(text.encode()).extensions
    alternative = found.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "kubernetes.default.svc.cluster.local" in alternative.get_values_for_type(x509.DNSName)
    addresses = {str(address) for address in alternative.get_values_for_type(x509.IPAddress)}
    assert addresses == {"10.96.0.1", "10.213.7.10", "127.0.0.1"}


def test_a_client_can_not_pose_as_a_server(authority: certificates.Pair) -> None:
    pair = certificates.issue(authority, "admin", groups=["system:masters"])
    found = x509.load_pem_x509_certificate(pair.public.encode()).extensions
    purposes = found.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [x509.ExtendedKeyUsageOID.CLIENT_AUTH]


def test_the_kubeconfig_has_the_context_hearth_lab_and_all_it_needs_within(authority: certificates.Pair) -> None:
    pair = certificates.issue(authority, "admin")
    found = yaml.safe_load(certificates.kubeconfig("https://10.213.7.10:6443", authority.public, pair, "admin"))
    assert found["current-context"] == found["contexts"][0]["name"] == "hearth-lab"
    place = found["clusters"][0]["cluster"]
    assert place["server"] == "https://10.213.7.10:6443"
    assert base64.b64decode(place["certificate-authority-data"]).decode() == authority.public
    assert base64.b64decode(found["users"][0]["user"]["client-key-data"]).decode() == pair.key


# Files of nodes


def test_each_node_has_a_range_of_pods_to_itself() -> None:
    assert [node_files.pod_range(number) for number in (1, 2, 255)] == [
        "10.244.1.0/24",
        "10.244.2.0/24",
        "10.244.255.0/24",
    ]
    network = json.loads(node_files.pod_network(2))
    assert network["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.244.2.0/24"}]]


def test_a_node_knows_the_way_to_the_pods_of_the_others_and_not_to_its_own() -> None:
    text = node_files.node_environment(TWO, [ONE, TWO], "/docker/abc")
    assert text == 'NAME=kube2\nADDRESS=10.213.7.11\nNUMBER=2\nCGROUP=/docker/abc\nROUTES="1=10.213.7.10"\n'


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("9:name=systemd:/docker/abc/init.scope\n8:cpu,cpuacct:/docker/abc\n5:memory:/docker/abc\n", "/docker/abc"),
        ("0::/system.slice/docker-abc.scope/init.scope\n", "/system.slice/docker-abc.scope"),
        ("5:memory:/\n", "/"),
    ],
)
def test_a_nodes_pods_lie_in_the_control_group_of_its_machine(table: str, expected: str) -> None:
    assert node_files.cgroup_of(table) == expected


def test_units_read_only_what_the_nodes_environment_holds() -> None:
    known = set(re.findall(r"^(\w+)=", node_files.node_environment(ONE, [ONE], "/"), re.MULTILINE))
    folder = IMAGE / "etc" / "systemd" / "system"
    for unit in (*node_files.NODE_UNITS, *node_files.CONTROL_UNITS):
        text = (folder / f"{unit}.service").read_text()
        assert set(re.findall(r"\$\{(\w+)\}", text)) <= known, unit
        assert "EnvironmentFile=/etc/kubernetes/node.env" in text, unit


def test_every_file_that_a_unit_names_is_written(authority: certificates.Pair) -> None:
    written = {*node_files.node_files(ONE, authority, ""), *node_files.control_plane_files(ONE, authority, "")}
    in_image = {f"/{path.relative_to(IMAGE)}" for path in IMAGE.rglob("*")}
    folder = IMAGE / "etc" / "systemd" / "system"
    text = "".join(path.read_text() for path in [*folder.glob("*.service"), *(IMAGE / "etc/kubernetes").glob("*")])
    named = set(re.findall(r"/etc/kubernetes/[\w./-]+\.(?:crt|key|pub|conf|yaml)\b", text))
    assert named
    assert named - written - in_image == set()


def test_a_node_can_not_be_made_before_kubernetes_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "built", lambda: None)
    with pytest.raises(LabError, match=r"not built on this computer yet.*Call `lab.kubernetes\(\)`"):
        node_options("lab-kube1")


# Pins


@pytest.mark.parametrize(
    ("file", "module", "version"),
    [
        ("go.mod", "k8s.io/kubernetes", build.KUBERNETES),
        ("go.mod", "helm.sh/helm/v3", build.HELM),
        ("go.mod", "github.com/coredns/coredns", build.COREDNS),
        ("go.mod", "github.com/cloudnativelabs/kube-router", build.KUBE_ROUTER),
        ("traefik/go.mod", "github.com/traefik/traefik/v3", build.TRAEFIK),
        ("traefik/sources/go.mod", "github.com/traefik/traefik/v3", build.TRAEFIK),
        ("traefik/go.mod", "sigs.k8s.io/gateway-api", build.GATEWAY_API),
    ],
)
def test_each_pin_is_the_same_in_both_places(file: str, module: str, version: str) -> None:
    text = (build.SOURCE / file).read_text()
    found = re.search(rf"^(?:require |\t){re.escape(module)} (\S+)", text, re.MULTILINE)
    assert found is not None
    assert found[1] == f"v{version}"


def test_kubernetes_parts_are_of_its_own_release() -> None:
    text = (build.SOURCE / "go.mod").read_text()
    versions_found = re.findall(r"^\tk8s\.io/\S+ => k8s\.io/\S+ (\S+)$", text, re.MULTILINE)
    assert len(versions_found) > 25
    assert set(versions_found) == {f"v0.{build.KUBERNETES.removeprefix('1.')}"}


def test_renovate_finds_each_pin_by_the_comment_above_it() -> None:
    manager = json.loads((versions.ROOT / "renovate.json").read_text())["customManagers"][0]
    pattern = re.compile(manager["matchStrings"][0].replace("(?<", "(?P<"))
    text = Path(build.__file__).read_text()
    found = {match["depName"]: match["currentValue"] for match in pattern.finditer(text)}
    assert found["k8s.io/kubernetes"] == build.KUBERNETES
    assert found["github.com/traefik/traefik/v3"] == build.TRAEFIK
    assert len(found) == 6


def test_the_lock_files_of_traefik_hold_the_sums_of_what_is_copied() -> None:
    text = (build.SOURCE / "traefik" / "sources" / "go.sum").read_text()
    for module in build.TRAEFIK_COPIES.values():
        assert re.search(rf"^{re.escape(module)} v\S+ h1:", text, re.MULTILINE), module


def test_a_build_is_named_by_what_goes_into_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "go.mod").write_text("one")
    monkeypatch.setattr(build, "SOURCE", tmp_path)
    before = build.build_key()
    (tmp_path / "go.mod").write_text("two")
    assert build.build_key() != before


def test_a_build_that_lacks_a_program_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTH_CACHE", str(tmp_path))
    folder = build.build_folder()
    folder.mkdir(parents=True)
    for name in (*build.PROGRAMS, build.GATEWAY_FILE):
        assert build.built() is None
        (folder / name).touch(mode=0o755)
    assert build.built() == folder


# The todo app's images


DOCKERFILE = """\
# renovate: datasource=docker depName=node
FROM node:24-slim AS build
COPY . .
FROM --platform=linux/amd64 debian:trixie-slim
COPY --from=build /app /app
COPY --from=node:24-slim /usr/local/bin/node /usr/local/bin/
FROM build
FROM scratch
"""


def test_the_public_bases_of_a_dockerfile_are_found_and_its_stages_are_none() -> None:
    assert images.public_bases(DOCKERFILE) == ["node:24-slim", "debian:trixie-slim"]


def test_a_dockerfile_begins_from_the_labs_images_and_is_otherwise_as_it_was() -> None:
    text = images.rewritten(DOCKERFILE, {"node:24-slim": "hearth-lab/node24:1", "debian:trixie-slim": "d:2"})
    assert text == DOCKERFILE.replace("FROM node:24-slim", "FROM hearth-lab/node24:1").replace(
        "--from=node:24-slim", "--from=hearth-lab/node24:1"
    ).replace("debian:trixie-slim", "d:2")


def test_the_todo_apps_bases_have_a_stand_in() -> None:
    for part in images.PARTS:
        for base in images.public_bases(TODO[part].text):
            name = base if "/" in base else f"library/{base}"
            assert name in recipes.PUBLISHED, (part, base)


def test_npms_settings_are_taken_over_and_credentials_are_not() -> None:
    texts = ["registry=https://one.example/\ncafile=/etc/ca\n", "//two.example/:_authToken=secret\nfund=false\n"]
    assert npm_settings(texts, {}) == "cafile=/etc/ca\nregistry=https://one.example/\n"
    assert npm_settings(texts, {"NPM_CONFIG_REGISTRY": "https://three.example/"}) == (
        "cafile=/etc/ca\nregistry=https://three.example/\n"
    )
    assert npm_settings(["registry=https://user:word@one.example/\n"], {}) == ""


def test_other_settings_of_npm_name_nodes_image_anew_and_no_other() -> None:
    assert recipes.tag("node24", "host", "a") != recipes.tag("node24", "host", "b")
    assert recipes.tag("machine", "host", "a") == recipes.tag("machine", "host", "b")


def test_what_is_sent_to_the_loopback_port_arrives_and_is_answered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(connection.recv(100).upper())

        thread = threading.Thread(target=answer)
        thread.start()
        with (
            forward.to("127.0.0.1", server.getsockname()[1]) as port,
            socket.create_connection(("127.0.0.1", port), timeout=10) as client,
        ):
            client.sendall(b"hello")
            assert client.recv(100) == b"HELLO"
        thread.join()


# One cluster for a test run


@pytest.mark.parametrize(
    ("file", "group"),
    [
        ("tests/lab/lab/test_lab_kubernetes.py", "cluster"),
        ("tests/lab/systems/todo/test_todo_helm.py", "cluster"),
        ("tests/lab/lab/test_lab.py", "tests/lab/lab/test_lab.py"),
    ],
)
def test_the_files_that_use_the_cluster_run_in_one_process(file: str, group: str) -> None:
    scheduling = ClusterScheduling.__new__(ClusterScheduling)
    assert scheduling._split_scope(f"{file}::test_something[a::b]") == group
    assert (versions.ROOT / file).exists()

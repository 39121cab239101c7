"""The component SecondBrain, against a recording mock: which resources, with what, in which order."""

from __future__ import annotations

import pytest
import yaml

from tests.unit.systems.secondbrain.program import CANARY, IMAGE, MIGRATE, PLAIN, SHARE, build


def test_everything_is_a_child_of_the_component_on_the_machine_of_the_settings():
    made = build({**PLAIN, "share": SHARE})
    assert made.resources["brain"].type == "hearth:secondbrain:SecondBrain"
    children = [each for each in made.resources.values() if each.name != "brain"]
    assert {each.parent for each in children} == {"brain"}
    assert all(each.name.startswith("brain-") for each in children)
    assert {each.inputs["host"] for each in children} == {"brain"}


def test_the_account_is_that_of_the_task_list():
    account = build(PLAIN).resources["brain-account"]
    assert account.type == "hearth:host:User"
    assert {key: account.inputs[key] for key in ("name", "system", "home", "shell", "subordinateIds", "linger")} == {
        "name": "secondbrain",
        "system": True,
        "home": "/var/lib/secondbrain",
        "shell": "/usr/sbin/nologin",
        "subordinateIds": "auto",
        "linger": True,
    }


def test_an_explicit_range_of_subordinate_ids_is_handed_on():
    made = build({**PLAIN, "account": {"subordinate-ids": "100000:65536"}})
    assert made.resources["brain-account"].inputs["subordinateIds"] == "100000:65536"


def test_prerequisites_are_installed_before_the_account_whose_manager_needs_them():
    made = build(PLAIN)
    packages = {each.inputs["name"]: each for each in made.of_type("hearth:host:Package")}
    base = {"podman", "uidmap", "dbus-user-session", "systemd-container"}
    assert packages.keys() == base | {"passt", "catatonit"}
    assert all(not packages[name].after for name in base)
    assert {packages[name].name for name in base} <= made.before("brain-account")
    assert {each.name for each in packages.values()} <= made.before("brain-pod")


def test_what_podman_4_needs_beside_is_installed_for_podman_4():
    packages = {each.inputs["name"] for each in build(PLAIN, podman="4.9.3").of_type("hearth:host:Package")}
    assert {"slirp4netns", "aardvark-dns"} <= packages
    assert not {"passt", "catatonit"} & packages


@pytest.mark.parametrize("pod", [{}, {"podman-version": "4.9"}])
def test_podman_4_gets_the_folder_without_which_it_lays_another_over_the_home(pod: dict[str, str]):
    made = build({**PLAIN, "pod": {**PLAIN["pod"], **pod}}, podman="4.9.3")
    folder = made.resources["brain-networks"]
    assert (folder.type, folder.inputs["path"], folder.inputs.get("purge")) == (
        "hearth:host:Directory",
        "/var/lib/cni",
        None,
    )
    assert "brain-networks" in made.before("brain-pod")


@pytest.mark.parametrize(
    "settings",
    [
        {"pod": {**PLAIN["pod"], "podman-version": "5.4"}},
        {"account": {"home": "/srv/secondbrain"}},
        {"manager": "podmgr"},
    ],
)
def test_where_podman_4_can_lay_nothing_over_the_home_there_is_no_such_folder(settings: dict[str, object]):
    assert "brain-networks" not in build({**PLAIN, **settings}).resources


def test_prerequisites_that_are_only_required_are_looked_for_and_nothing_is_installed():
    made = build({**PLAIN, "share": SHARE, "prerequisites": "require"})
    assert made.of_type("hearth:host:Package") == []
    script = made.resources["brain-prerequisites"]
    assert "podman systemctl loginctl machinectl" in script.inputs["check"]
    assert "mount.cifs" in script.inputs["check"]
    others = made.resources.keys() - {"brain", "brain-prerequisites"}
    assert {name for name in others if "brain-prerequisites" not in made.before(name)} == set()


def test_homes_of_others_are_closed():
    home = build({**PLAIN, "account": {"private-homes": ["backstage440"]}}).resources["brain-home-backstage440"]
    assert (home.inputs["path"], home.inputs["mode"], home.inputs["owner"]) == (
        "/home/backstage440",
        "0700",
        "backstage440",
    )
    assert home.inputs.get("purge") is None


def test_the_pod_is_three_units_of_the_account_one_after_the_other():
    made = build(PLAIN)
    names = {role: made.resources[f"brain-{role}"].inputs["name"] for role in ("pod", "ollama", "backend")}
    assert names == {
        "pod": "secondbrain.pod",
        "ollama": "secondbrain-ollama.container",
        "backend": "secondbrain-backend.container",
    }
    for role in names:
        unit = made.resources[f"brain-{role}"]
        assert (unit.inputs["user"], unit.inputs["running"], unit.inputs["startTimeout"]) == ("secondbrain", True, 90)
        assert unit.create_timeout == "150s"
    assert "brain-pod" in made.resources["brain-ollama"].after
    assert "brain-ollama" in made.resources["brain-backend"].after


def test_the_images_are_in_the_accounts_store_before_the_containers():
    made = build(PLAIN)
    for role, image in (("ollama", "docker.io/ollama/ollama:latest"), ("backend", IMAGE)):
        inputs = made.resources[f"brain-image-{role}"].inputs
        assert (inputs["name"], inputs["user"], inputs["source"]) == (image, "secondbrain", "pull")
        assert f"brain-image-{role}" in made.before(f"brain-{role}")
        assert made.resources[f"brain-{role}"].inputs["restartOn"] == [f"sha256:brain-image-{role}"]


def test_what_is_independent_is_brought_up_side_by_side():
    made = build({**PLAIN, "share": SHARE})
    assert made.before("brain-image-ollama").isdisjoint({"brain-image-backend", "brain-share-fstab", "brain-models"})
    assert made.before("brain-share-credentials") == {"brain-share-credentials-folder", "brain-package-cifs-utils"}
    assert "brain-share-fstab" not in made.before("brain-backend")
    assert made.before("brain-online") == set()


def test_the_models_lie_in_the_accounts_home_and_are_mounted_into_ollama():
    made = build(PLAIN)
    assert made.resources["brain-models"].inputs["path"] == "/var/lib/secondbrain/ollama"
    assert "Volume=/var/lib/secondbrain/ollama:/root/.ollama" in made.resources["brain-ollama"].inputs["text"]
    assert "brain-models" in made.before("brain-ollama")


def test_the_backend_sees_the_share_read_only_and_is_told_where_ollama_is():
    text = build({**PLAIN, "share": SHARE}).resources["brain-backend"].inputs["text"]
    assert "Volume=/mnt:/mnt:ro,rslave" in text
    assert 'Environment="OLLAMA_HOST=http://127.0.0.1:11434"' in text


def test_without_a_share_nothing_of_it_is_made():
    made = build(PLAIN)
    assert not [name for name in made.resources if "share" in name]
    assert "rslave" not in made.resources["brain-backend"].inputs["text"]


@pytest.mark.parametrize(("podman", "unit"), [("4.9.3", "secondbrain.network"), ("5.4.2", "secondbrain.pod")])
def test_the_version_that_the_machine_tells_decides_the_form(podman: str, unit: str):
    made = build(PLAIN, podman=podman)
    assert made.resources["brain-podman-version"].inputs["command"] == ["podman", "--version"]
    assert made.resources["brain-pod"].inputs["name"] == unit


def test_a_version_in_the_settings_is_not_asked_for():
    made = build({**PLAIN, "pod": {**PLAIN["pod"], "podman-version": "4.9"}})
    assert made.of_type("hearth:host:CommandOutput") == []
    assert made.resources["brain-pod"].inputs["name"] == "secondbrain.network"
    text = made.resources["brain-backend"].inputs["text"]
    assert 'Environment="OLLAMA_HOST=http://secondbrain-ollama:11434"' in text
    assert "podman wait --condition=healthy secondbrain-backend" in text


def test_a_podman_that_can_not_wait_stops_the_program_with_a_remedy():
    with pytest.raises(Exception, match=r"came with 4\.6"):
        build(PLAIN, podman="4.3.1")


def test_the_network_is_brought_online_at_boot_as_quadlet_waits_for_it():
    unit = build(PLAIN).resources["brain-online"]
    assert (unit.inputs["enabled"], unit.inputs["running"]) == (True, True)
    assert "Wants=network-online.target" in unit.inputs["text"]


def test_the_share_is_credentials_mount_point_line_and_automount():
    made = build({**PLAIN, "share": SHARE})
    file = made.resources["brain-share-credentials"]
    assert (file.inputs["path"], file.inputs["mode"], file.inputs["owner"]) == (
        "/etc/samba/credentials.secondbrain",
        "0600",
        "root",
    )
    line = made.resources["brain-share-fstab"]
    assert line.inputs["path"] == "/etc/fstab"
    assert "//windows/PersonalAssistantHub /mnt/PersonalAssistantHub cifs credentials=" in line.inputs["content"]
    assert "uid=990,gid=985," in line.inputs["content"]
    assert {"brain-share-mount-point", "brain-share-credentials", "brain-package-cifs-utils"} <= line.after
    automount = made.resources["brain-share-automount"]
    assert (automount.inputs["name"], automount.inputs["running"]) == ("mnt-PersonalAssistantHub.automount", True)
    assert "brain-share-fstab" in automount.after


def test_the_mount_point_is_the_accounts_and_there_before_the_backend():
    made = build({**PLAIN, "share": SHARE})
    point = made.resources["brain-share-mount-point"]
    assert (point.type, point.inputs["owner"]) == ("hearth:host:MountPoint", "secondbrain")
    assert "brain-share-mount-point" in made.before("brain-backend")


def test_the_password_is_a_secret_input_of_one_resource_and_nowhere_else():
    made = build({**PLAIN, "share": SHARE})
    holders = [each for each in made.resources.values() if CANARY in str(each.inputs)]
    assert [each.name for each in holders] == ["brain-share-credentials"]
    assert holders[0].secrets == {"content"}
    assert CANARY not in str(made.outputs)


def test_a_secret_environment_is_a_file_of_the_accounts_and_its_change_restarts_the_backend():
    made = build(PLAIN, environment=f"TOKEN={CANARY}\n")
    file = made.resources["brain-backend-environment"]
    assert (file.inputs["path"], file.inputs["mode"], file.secrets) == (
        "/var/lib/secondbrain/backend.env",
        "0600",
        {"content"},
    )
    backend = made.resources["brain-backend"]
    assert "EnvironmentFile=/var/lib/secondbrain/backend.env" in backend.inputs["text"]
    assert len(backend.inputs["restartOn"]) == 2
    assert CANARY not in str(backend.inputs)


def test_smbclient_is_installed_where_the_settings_ask_for_it():
    assert "brain-package-smbclient" not in build({**PLAIN, "share": SHARE}).resources
    assert "brain-package-smbclient" in build({**PLAIN, "share": {**SHARE, "smbclient": True}}).resources


def test_destroy_keeps_the_data_unless_the_settings_say_otherwise():
    kept, removed = build(PLAIN), build({**PLAIN, "data": "remove"})
    assert not kept.resources["brain-account"].inputs["removeHome"]
    assert not kept.resources["brain-models"].inputs["purge"]
    assert removed.resources["brain-account"].inputs["removeHome"]
    assert removed.resources["brain-models"].inputs["purge"]


def test_what_holds_data_is_protected_where_the_settings_say_so():
    made = build({**PLAIN, "protect-data": True})
    assert {each.name for each in made.resources.values() if each.protect} == {"brain-account", "brain-models"}
    assert not [each for each in build(PLAIN).resources.values() if each.protect]


def test_the_outputs_are_the_backends_address_the_account_and_the_units():
    outputs = build({**PLAIN, "share": SHARE}).outputs["brain"]
    assert outputs["backend_url"] == "http://127.0.0.1:8000"
    assert outputs["account_uid"] == 990
    assert outputs["subordinate_range"] == "165536:65536"
    assert outputs["units"] == [
        "secondbrain-pod.service",
        "secondbrain-ollama.service",
        "secondbrain-backend.service",
    ]
    assert outputs["deployed"]["share"]["mount_point"] == "/mnt/PersonalAssistantHub"


def test_an_ipv6_address_is_written_in_brackets():
    pod = {**PLAIN["pod"], "backend-addresses": ["fd00::2"], "ollama-addresses": []}
    outputs = build({**PLAIN, "pod": pod}).outputs["brain"]
    assert outputs["backend_url"] == "http://[fd00::2]:8000"
    assert outputs["deployed"].get("ollama_url") is None


@pytest.mark.parametrize(("every", "here"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]")])
def test_published_on_every_address_it_links_to_one_that_can_be_asked(every: str, here: str):
    pod = {**PLAIN["pod"], "backend-addresses": [every], "ollama-addresses": [every]}
    outputs = build({**PLAIN, "pod": pod}).outputs["brain"]
    assert outputs["backend_url"] == f"http://{here}:8000"
    assert outputs["deployed"]["ollama_url"] == f"http://{here}:11434"


def test_another_secret_or_another_image_makes_podmgrs_pod_anew_and_no_secret_is_shown():
    podmgr = {**PLAIN, "manager": "podmgr"}
    pods = [
        build(podmgr).resources["brain-pod"],
        build(podmgr, environment=f"TOKEN={CANARY}\n").resources["brain-pod"],
        build(podmgr, environment="TOKEN=other\n").resources["brain-pod"],
        build(podmgr, image_ids="others").resources["brain-pod"],
    ]
    checks = [pod.inputs["check"] for pod in pods]
    assert len(set(checks)) == len(checks)
    assert all(CANARY not in text for text in checks)
    assert [{"apply", "check"} <= pod.secrets for pod in pods] == [False, True, True, False]


def test_podmgr_is_told_the_groups_and_the_health_command_of_the_settings():
    pod = {**PLAIN["pod"], "backend-health-command": "test -e /tmp/ready"}
    made = build({**PLAIN, "manager": "podmgr", "pod": pod, "share": SHARE})
    services = yaml.safe_load(made.resources["brain-pod-definition"].inputs["content"])["services"]
    assert services["backend"]["groups"] == ["0"]
    assert services["backend"]["health"] == {"type": "command", "command": "test -e /tmp/ready"}
    assert services["ollama"]["health"] == {"type": "http", "port": 11434, "path": "/"}


def test_outputs_are_registered_under_podmgr_too():
    assert build({**PLAIN, "manager": "podmgr"}).outputs["brain"]["units"] == []


def test_a_preview_of_an_unknown_machine_shows_every_resource():
    settings = {**MIGRATE, "share": SHARE}
    assert build(settings, preview=True).resources.keys() == build(settings).resources.keys()


def test_the_old_backends_port_may_not_be_that_of_ollama():
    with pytest.raises(Exception, match=r"is also hearth:secondbrain\.pod\.ollama-port"):
        build({**MIGRATE, "pod": {"ollama-port": 8000}})

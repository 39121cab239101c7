"""The component SecondBrain where it takes over old containers, or is driven by podmgr: against a recording mock."""

from __future__ import annotations

from tests.unit.systems.secondbrain.program import MIGRATE, OLD_IMAGE, PLAIN, SHARE, build


def test_port_and_image_of_the_old_backend_are_recorded_and_used():
    made = build(MIGRATE)
    record = made.resources["brain-record"].inputs
    assert (record["user"], record["container"], record["portNeeded"]) == ("backstage440", "secondbrain-backend", True)
    image = made.resources["brain-image-backend"].inputs
    assert (image["name"], image["source"]) == (OLD_IMAGE, "user:backstage440")
    assert f"Image={OLD_IMAGE}" in made.resources["brain-backend"].inputs["text"]
    assert "PublishPort=127.0.0.1:8000:8000" in made.resources["brain-pod"].inputs["text"]


def test_a_port_in_the_settings_needs_none_of_the_old_containers():
    made = build({**MIGRATE, "pod": {"backend-port": 9000}})
    assert made.resources["brain-record"].inputs["portNeeded"] is False
    assert "PublishPort=127.0.0.1:9000:9000" in made.resources["brain-pod"].inputs["text"]


def test_settings_that_say_everything_need_no_record():
    assert "brain-record" not in build({**MIGRATE, "pod": PLAIN["pod"]}).resources


def test_old_containers_stop_after_the_record_and_the_images_and_before_the_new_pod():
    made = build(MIGRATE)
    stopped = made.resources["brain-old-stopped"]
    assert {"brain-record", "brain-image-backend", "brain-image-ollama"} <= made.before("brain-old-stopped")
    assert "brain-old-stopped" in made.before("brain-pod")
    assert stopped.inputs["user"] == "backstage440"
    assert "podman start" in stopped.inputs["undo"]


def test_old_containers_are_removed_only_if_asked_and_only_once_the_new_ones_are_healthy():
    assert "brain-old-removed" not in build(MIGRATE).resources
    made = build({**MIGRATE, "migrate": {"user": "backstage440", "remove-old": True}})
    assert made.resources["brain-old-removed"].after >= {"brain-backend"}
    assert "podman rm" in made.resources["brain-old-removed"].inputs["apply"]
    assert "rmi" not in made.resources["brain-old-removed"].inputs["apply"]


def test_the_old_image_goes_too_if_asked():
    made = build({**MIGRATE, "migrate": {"user": "backstage440", "remove-old": True, "remove-image": True}})
    assert f"podman rmi {OLD_IMAGE}" in made.resources["brain-old-removed"].inputs["apply"]


def test_an_archive_on_the_machine_can_be_the_images_source():
    made = build({**PLAIN, "pod": {**PLAIN["pod"], "backend-archive": "/tmp/sb-backend.tar"}})
    assert made.resources["brain-image-backend"].inputs["source"] == "archive:/tmp/sb-backend.tar"


def test_podmgr_is_checked_out_installed_and_driven():
    made = build({**PLAIN, "manager": "podmgr", "share": SHARE})
    assert made.resources["brain-podmgr"].inputs["path"] == "/opt/podmgr"
    venv = made.resources["brain-podmgr-venv"]
    assert (venv.inputs["path"], venv.inputs["editable"]) == ("/opt/podmgr/.venv", "/opt/podmgr")
    definition = made.resources["brain-pod-definition"].inputs
    assert definition["path"] == "/var/lib/secondbrain/secondbrain-pod.yaml"
    assert "depends_on:\n    - ollama" in definition["content"]
    script = made.resources["brain-pod"]
    assert (script.type, script.inputs["user"], script.inputs["interpreter"]) == (
        "hearth:host:Script",
        "secondbrain",
        "/bin/bash",
    )
    assert {"brain-podmgr-venv", "brain-pod-definition", "brain-image-backend"} <= made.before("brain-pod")
    assert {"brain-package-git", "brain-package-python3-venv"} <= made.before("brain-podmgr")
    assert "brain-backend" not in made.resources

"""A Docker host that died: `make up` makes anew on its successor what the engine would take for being there.

The Docker provider can't be had everywhere: a small one of its name takes its place here. It keeps, as Docker's does,
to the host among its own settings, and fails where that host is dead.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.lab.toolchain.trial import MakeWorkspace, make_workspace, ready, shown
from tests.lab.workspace import Workspace

__all__ = ["make_workspace", "ready"]

PROVIDER = """#!{python}
import os, sys, threading, time
from pathlib import Path
from pulumi.provider.experimental import provider as p
from pulumi.provider.experimental.server import main

HOSTS = Path("{hosts}")


class Docker(p.Provider):
    host = ""

    def at(self, name):
        place = HOSTS / self.host.removeprefix("ssh://") / name
        with (HOSTS / "asked").open("a") as asked:
            asked.write(self.host + chr(10))
        if (place.parent / "dead").exists():
            raise RuntimeError("Cannot connect to the Docker daemon at " + self.host)
        return place

    async def get_schema(self, request):
        return p.GetSchemaResponse(schema='{{"name": "docker", "version": "9.9.9"}}')

    async def check_config(self, request):
        return p.CheckResponse(request.new_inputs, [])

    async def diff_config(self, request):
        return p.DiffResponse(changes=True, replaces=[])

    async def configure(self, request):
        self.host = request.args["host"].value
        return p.ConfigureResponse(
            accept_secrets=True, supports_preview=True, accept_resources=True, accept_outputs=False
        )

    async def check(self, request):
        return p.CheckResponse(request.new_inputs, [])

    async def diff(self, request):
        return p.DiffResponse(changes=request.old_state["name"] != request.new_inputs["name"])

    async def create(self, request):
        name = request.properties["name"].value
        if not request.preview:
            self.at(name).touch()
        return p.CreateResponse(name, request.properties)

    async def read(self, request):
        if not self.at(request.resource_id).exists():
            return p.ReadResponse("", {{}}, {{}})
        return p.ReadResponse(request.resource_id, request.properties, request.inputs)

    async def delete(self, request):
        self.at(request.resource_id).unlink()


def watch(parent):
    while os.getppid() == parent:
        time.sleep(0.3)
    os._exit(0)


threading.Thread(target=watch, args=(os.getppid(),), daemon=True).start()
main(sys.argv[1:], "9.9.9", Docker())
"""
PROGRAM = """
import pulumi

settings = pulumi.Config("hearth").require_object("hosts")
docker = pulumi.ProviderResource("docker", "core-docker", {"host": "ssh://" + settings["pi"]["address"]})


class Thing(pulumi.CustomResource):
    def __init__(self, kind, name, **options):
        given = pulumi.ResourceOptions(provider=docker, **options)
        super().__init__(f"docker:index/{kind.lower()}:{kind}", name, {"name": name}, given)


network = Thing("Network", "core-network")
volume = Thing("Volume", "core-data", protect=True)
Thing("Container", "core-postgres", depends_on=[network, volume])
pulumi.export("there", True)
"""
THINGS = {"core-network", "core-data", "core-postgres"}


def trial(folder: Path, make: MakeWorkspace) -> tuple[Workspace, Path]:
    hosts, plugin = folder / "hosts", folder / "plugin"
    plugin.mkdir()
    for name in ("old", "new"):
        (hosts / name).mkdir(parents=True)
    file = plugin / "pulumi-resource-docker"
    file.write_text(PROVIDER.format(python=sys.executable, hosts=hosts))
    file.chmod(0o755)
    return make(PROGRAM, providers={"docker": plugin}), hosts


def at(hosts: Path, name: str) -> set[str]:
    return {path.name for path in (hosts / name).iterdir()} - {"dead"}


def test_what_was_on_a_lost_docker_host_is_made_anew_and_the_dead_one_is_never_asked(
    tmp_path: Path, make_workspace: MakeWorkspace
) -> None:
    work, hosts = trial(tmp_path, make_workspace)
    work.configure("hearth:hosts", json.dumps({"pi": {"address": "old"}}))
    answer = work.make("up")
    assert answer.returncode == 0, shown(answer)
    assert at(hosts, "old") == THINGS

    (hosts / "old" / "dead").touch()
    work.configure("hearth:hosts", json.dumps({"pi": {"address": "new"}}))
    # Without a word about the old machine the engine takes the new one for it: that is why there is `hearth:lost`.
    answer = work.make("up")
    assert at(hosts, "new") == set(), shown(answer)

    work.configure("hearth:hosts", json.dumps({"pi": {"address": "old"}}))
    work.pulumi("up", "--yes", "--skip-preview", "--stack", work.stack)
    (hosts / "asked").write_text("")
    work.configure("hearth:hosts", json.dumps({"pi": {"address": "new"}}))
    work.configure("hearth:lost", json.dumps(["OLD"]))
    shows = work.make("preview")
    assert "will be forgotten by `up`" in shown(shows), shown(shows)
    assert at(hosts, "new") == set()
    answer = work.make("up")
    assert answer.returncode == 0, shown(answer)
    assert "old is lost (hearth:lost)" in shown(answer)
    assert at(hosts, "new") == THINGS
    assert "ssh://old" not in (hosts / "asked").read_text()
    again = work.make("up")
    assert again.returncode == 0, shown(again)
    assert "is lost" not in shown(again)
    assert "4 unchanged" in shown(again) or "5 unchanged" in shown(again), shown(again)


def test_a_stack_with_a_lost_docker_host_can_be_taken_down(tmp_path: Path, make_workspace: MakeWorkspace) -> None:
    work, hosts = trial(tmp_path, make_workspace)
    work.configure("hearth:hosts", json.dumps({"pi": {"address": "old"}}))
    work.write(PROGRAM.replace(", protect=True", ""))
    assert work.make("up").returncode == 0
    (hosts / "old" / "dead").touch()
    work.configure("hearth:lost", json.dumps(["old"]))
    answer = work.make("down")
    assert answer.returncode == 0, shown(answer)
    assert work.state().get("resources", []) == []

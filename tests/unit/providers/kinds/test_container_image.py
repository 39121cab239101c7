"""The kind ContainerImage against a machine in memory with podman stores."""

import json

import pytest
from pydantic import ValidationError

from providers.errors import CommandFailed, CouldNotLook, InvalidInput
from providers.kinds.container_image.kind import KIND, ContainerImageFacts, ContainerImageInputs
from providers.kinds.container_image.podman_store import NO_PODMAN, NO_RUNTIME, NOT_GIVEN, NOT_TAKEN, find_image
from providers.machine.session import Account, Completed, Stat
from tests.unit.providers.kinds.fake_session import Call, FakeSession

NAME = "docker.io/ollama/ollama:latest"
WISH = ContainerImageInputs(host="box", name=NAME, user="pod")
UNKNOWN = Completed(125, "", f"Error: {NAME}: image not known")


class Machine(FakeSession):
    """Stores by account; a script of the kind is known by the podman command in it."""

    def __init__(self, **stores: set[str]) -> None:
        super().__init__()
        self.stores = stores
        self.in_use = False
        self.tagged, self.kept = "f00d", {"f00d"}
        """What the name stands for, and which images are there at all."""
        self.answer: Completed | None = None
        for number, name in enumerate(("pod", "ann")):
            self.accounts[name] = Account(name, 990 + number, 990, name, (), f"/home/{name}", "/bin/sh", "")
            self.files[f"/run/user/{990 + number}"] = Stat("directory", "0700", name, name, 0)
        self.on("sh", self._podman).on("systemctl start user-runtime-dir@").on("systemctl stop user-runtime-dir@")

    def _podman(self, call: Call) -> Completed:
        text = call.script or ""
        if self.answer is not None:
            return self.answer
        store = self.stores.setdefault(call.user or "root", set())
        if "podman image inspect" in text:
            return Completed(0, f"{self.tagged} sha256:beef\n", "") if NAME in store else UNKNOWN
        if 'podman tag "$image"' in text:
            wanted = next(line.removeprefix("image=") for line in text.splitlines() if line.startswith("image="))
            if wanted not in self.kept:
                return Completed(125, "", "Error: image not known")
            self.tagged = wanted
        if "podman pull" in text:
            store.add(NAME)
        elif "podman load" in text:
            source = next(line for line in text.splitlines() if line.startswith("source="))
            if source == "source=user:ann" and NAME not in self.stores.get("ann", set()):
                return Completed(NOT_GIVEN, "", f"Error: {NAME}: image not known")
            self.stores.setdefault("pod", set()).add(NAME)
        elif "podman image rm" in text:
            if self.in_use:
                return Completed(2, "", "Error: image is in use by a container")
            store.discard(NAME)
        return Completed(0, "", "")


async def make(machine: Machine, wish: ContainerImageInputs) -> ContainerImageFacts:
    before = await KIND.observe(machine, wish)
    await KIND.apply(machine, wish, before)
    after = await KIND.observe(machine, wish)
    assert (after.image_id, after.digest) == ("f00d", "sha256:beef")
    return before


@pytest.mark.parametrize("source", ["pull", "user:ann", "archive:/srv/x.tar"])
async def test_an_image_is_got_and_goes_again(source: str):
    machine = Machine(ann={NAME})
    machine.put("/srv/x.tar")
    wish = WISH.model_copy(update={"source": source})
    before = await make(machine, wish)
    await KIND.restore(machine, wish, before)
    assert machine.stores["pod"] == set()
    assert machine.stores["ann"] == {NAME}


async def test_an_image_that_was_there_stays():
    machine = Machine(pod={NAME})
    await KIND.restore(machine, WISH, await KIND.observe(machine, WISH))
    assert machine.stores["pod"] == {NAME}


async def test_an_image_that_is_used_stays_and_says_so():
    machine = Machine()
    before = await make(machine, WISH)
    machine.in_use = True
    await KIND.restore(machine, WISH, before)
    assert any("stays on box: a container uses it" in line for line in machine.messages)


async def test_an_image_of_root_needs_no_account():
    machine = Machine()
    await make(machine, WISH.model_copy(update={"user": None}))
    assert machine.stores["root"] == {NAME}


async def test_an_account_that_is_missing_has_no_image_yet_and_can_get_none():
    machine = Machine()
    machine.accounts.clear()
    facts = await KIND.observe(machine, WISH)
    assert not facts.present
    with pytest.raises(InvalidInput, match="no account 'pod' on box"):
        await KIND.apply(machine, WISH, facts)


async def test_an_archive_that_is_missing_is_refused():
    wish = WISH.model_copy(update={"source": "archive:/srv/none.tar"})
    with pytest.raises(InvalidInput, match=r"/srv/none.tar on box, the archive of .* is no file"):
        await KIND.apply(Machine(), wish, ContainerImageFacts(present=False))


async def test_an_account_that_is_not_logged_in_gets_a_runtime_directory_for_the_while():
    machine = Machine(ann={NAME})
    del machine.files["/run/user/991"]
    await make(machine, WISH.model_copy(update={"source": "user:ann"}))
    systemctl = [line for line in machine.lines() if line.startswith("systemctl")]
    assert systemctl == ["systemctl start user-runtime-dir@991.service"]
    assert any("systemctl stop" in (call.script or "") for call in machine.calls)


async def test_where_podman_can_not_be_asked_the_stores_own_list_is_read():
    machine = Machine()
    machine.answer = Completed(NO_RUNTIME, "", "")
    assert not (await KIND.observe(machine, WISH)).present
    images = [{"id": "f00d", "digest": "sha256:beef", "names": [NAME]}]
    machine.put("/home/pod/.local/share/containers/storage/overlay-images/images.json", json.dumps(images))
    assert (await KIND.observe(machine, WISH)).image_id == "f00d"


async def test_a_podman_that_is_broken_is_no_missing_image():
    machine = Machine()
    machine.answer = Completed(125, "", "Error: database is locked")
    with pytest.raises(CouldNotLook, match="could not say whether pod has the image"):
        await KIND.observe(machine, WISH)


@pytest.mark.parametrize(
    ("source", "done", "message"),
    [
        ("pull", Completed(NO_PODMAN, "", ""), "box has no podman"),
        ("pull", Completed(125, "", "Error: manifest unknown"), "could not be pulled"),
        ("pull", Completed(125, "", "write /x: no space left on device"), "the disk is full"),
        ("pull", Completed(125, "", "insufficient UIDs or GIDs available"), "too few subordinate ids"),
        ("user:ann", Completed(NOT_GIVEN, "", "image not known"), "could not be read from the store of ann"),
        ("user:ann", Completed(NOT_TAKEN, "", "bad archive"), "could not be loaded"),
    ],
)
async def test_a_failure_says_what_it_means(source: str, done: Completed, message: str):
    machine = Machine()
    machine.answer = done
    with pytest.raises(CommandFailed, match=message) as error:
        await KIND.apply(machine, WISH.model_copy(update={"source": source}), ContainerImageFacts(present=False))
    assert error.value.remedy


async def test_without_podman_there_is_no_image():
    machine = Machine()
    machine.answer = Completed(NO_PODMAN, "", "")
    assert not (await KIND.observe(machine, WISH)).present


def test_the_stores_of_both_sides_are_locked():
    wish = WISH.model_copy(update={"source": "user:ann"})
    assert KIND.locks(wish) == ("podman:ann", "podman:pod")
    assert KIND.locks(WISH.model_copy(update={"user": None})) == ("podman:root",)


DIGEST = f"sha256:{'a' * 64}"
IMAGES = json.dumps(
    [
        {"id": "1", "digest": DIGEST, "names": [f"docker.io/a/b@{DIGEST}"]},
        {"id": "2", "names": ["docker.io/a/c:latest", "localhost:5000/x:1"]},
        {"id": "3"},
    ]
)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("docker.io/a/c:latest", ("2", "")),
        ("docker.io/a/c", ("2", "")),
        ("localhost:5000/x:1", ("2", "")),
        ("localhost:5000/x", None),
        (f"docker.io/a/b@{DIGEST}", ("1", DIGEST)),
        (f"docker.io/a/b:1.0@{DIGEST}", ("1", DIGEST)),
        ("docker.io/a/d:latest", None),
    ],
)
def test_an_image_is_found_in_the_stores_own_list(name: str, found: tuple[str, str] | None):
    assert find_image(IMAGES, name) == found


@pytest.mark.parametrize(("user", "identity"), [(None, f"root/{NAME}"), ("pod", f"user/pod/{NAME}")])
def test_an_identity_says_whose_the_image_is(user: str | None, identity: str):
    wish = ContainerImageInputs(host="box", name=NAME, user=user)
    assert KIND.identify(wish) == identity
    assert KIND.parse is not None
    assert ContainerImageInputs(host="box", **KIND.parse(identity)) == wish


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("name", "ollama", "full name of an image, with its registry"),
        ("name", "docker.io/Ollama", "full name of an image, with its registry"),
        ("name", "docker.io/a/b; rm -rf /", "full name of an image, with its registry"),
        ("source", "file", "must be 'pull'"),
        ("source", "archive:x.tar", "must be 'pull'"),
        ("source", "user:", "must be 'pull'"),
    ],
)
def test_a_wrong_value_is_rejected_with_its_rule(field: str, value: str, rule: str):
    with pytest.raises(ValidationError, match=rule):
        ContainerImageInputs.model_validate({**WISH.model_dump(), field: value})


# --- a tag that somebody has moved ---


async def test_a_tag_that_was_moved_by_hand_is_drift_of_the_image_and_goes_back():
    machine = Machine()
    await make(machine, WISH)
    machine.tagged = "bad"
    found = await KIND.observe(machine, WISH)
    assert KIND.differences(WISH, found)["source"][1] == f"{NAME} was moved by somebody to bad"
    assert found.image_id == "f00d", "what restarts on the id goes on with what runs"
    await KIND.apply(machine, WISH, found)
    assert machine.tagged == "f00d"
    assert KIND.differences(WISH, await KIND.observe(machine, WISH)) == {}
    assert not [call for call in machine.calls[-3:] if "podman pull" in (call.script or "")]


async def test_an_image_that_was_there_is_written_down_and_its_tag_is_watched_too():
    machine = Machine(pod={NAME})
    assert KIND.adopt is not None
    await KIND.adopt(machine, WISH, await KIND.observe(machine, WISH))
    machine.tagged = "bad"
    assert "source" in KIND.differences(WISH, await KIND.observe(machine, WISH))


async def test_where_the_image_of_before_is_gone_the_new_one_counts_and_it_is_said():
    machine = Machine()
    await make(machine, WISH)
    machine.tagged, machine.kept = "new", {"new"}
    await KIND.apply(machine, WISH, await KIND.observe(machine, WISH))
    found = await KIND.observe(machine, WISH)
    assert (found.image_id, KIND.differences(WISH, found)) == ("new", {})
    assert any("is not there any more" in line for line in machine.messages)


async def test_destroy_forgets_which_image_it_was():
    machine = Machine()
    files = dict(machine.files)
    await KIND.restore(machine, WISH, await make(machine, WISH))
    assert {path for path in machine.files if path not in files} <= {"/var/lib/hearth"}


async def test_a_home_that_is_anothers_is_the_reason_that_is_told():
    machine = Machine()
    machine.files["/home/pod"] = Stat("directory", "0700", "ann", "ann", 0)
    machine.on(
        "sh", lambda call: machine._podman(call) if "inspect" in (call.script or "") else Completed(125, "", "no")
    )
    with pytest.raises(CommandFailed, match="the home of pod belongs to ann") as error:
        await KIND.apply(machine, WISH, await KIND.observe(machine, WISH))
    assert "home_owner" in str(error.value)

"""Pools and their disks: what is each member's own, and which disk is made empty when its pool is gone."""

from __future__ import annotations

from typing import Any

import pytest

from providers.errors import HearthError
from providers.kinds.lxd import disks, member, preseed, storage_pool
from tests.unit.providers.kinds.fake_session import Call, FakeSession
from tests.unit.providers.kinds.lxd.fake_daemon import MEMBERS, NOTHING, WISH, Daemon, first_member, joiner, ok, server

ONE, TWO = "/dev/disk/by-id/nvme-one", "/dev/disk/by-id/nvme-two"


@pytest.mark.parametrize(
    ("driver", "config", "cluster", "own"),
    [
        ("dir", {"rsync.compression": "false"}, {"rsync.compression": "false"}, {}),
        (
            "btrfs",
            {"source": ONE, "btrfs.mount_options": "noatime"},
            {"btrfs.mount_options": "noatime"},
            {"source": ONE},
        ),
        ("btrfs", {"size": "20GiB", "source.wipe": "true"}, {}, {"size": "20GiB", "source.wipe": "true"}),
        (
            "zfs",
            {"source": TWO, "zfs.pool_name": "tank", "zfs.clone_copy": "rebase"},
            {"zfs.clone_copy": "rebase"},
            {"source": TWO, "zfs.pool_name": "tank"},
        ),
        (
            "zfs",
            {"size": "20GiB", "volatile.initial_source": TWO},
            {},
            {"size": "20GiB", "volatile.initial_source": TWO},
        ),
    ],
)
def test_keys_of_a_member_are_told_from_keys_of_the_cluster(
    driver: str, config: dict[str, str], cluster: dict[str, str], own: dict[str, str]
):
    assert preseed.split("storage-pool", config) == (cluster, own), driver


@pytest.mark.parametrize("driver", ["btrfs", "zfs"])
async def test_each_member_brings_its_own_disk_and_the_cluster_gets_its_keys_alone(driver: Any):
    daemon = Daemon().on("GET /1.0/cluster/members?recursion=1", ok(MEMBERS))
    session = machines(daemon, "")
    inputs = storage_pool.StoragePoolInputs(
        host="first",
        name="fast",
        driver=driver,
        config={"rsync.bwlimit": "10MiB"},
        member_config={"a": {"source": ONE}, "b": {"source": TWO}},
        machines={"a": "first", "b": "second"},
    )
    await storage_pool.apply(session, inputs, storage_pool.StoragePoolFacts(present=False))
    bodies = {each["path"]: each["body"] for each in daemon.asked if each["method"] == "POST"}
    assert bodies["/1.0/storage-pools?target=a"] == {"name": "fast", "driver": driver, "config": {"source": ONE}}
    assert bodies["/1.0/storage-pools?target=b"] == {"name": "fast", "driver": driver, "config": {"source": TWO}}
    whole = bodies["/1.0/storage-pools"]["config"]
    assert (whole["rsync.bwlimit"], "source" in whole) == ("10MiB", False)


def machines(daemon: Daemon, said: str) -> FakeSession:
    """Return two machines; the daemon answers on the first one, and both say so of a disk."""

    def answer(call: Call) -> str:
        return said

    made = FakeSession(machine="first").on("sh", answer).on("python3", daemon)
    made.others["second"] = FakeSession(machine="second").on("sh", answer)
    return made


def wiped(session: FakeSession) -> list[str]:
    return [call.stdin.decode() for call in session.calls if "wipefs --all" in (call.script or "")]


BEFORE = storage_pool.StoragePoolFacts(present=False)
POOL = storage_pool.StoragePoolInputs(
    host="first",
    name="fast",
    driver="btrfs",
    member_config={"a": {"source": ONE}, "b": {"source": TWO}},
    machines={"a": "first", "b": "second"},
)


def pool(**config: str) -> dict[str, Any]:
    return ok({"name": "fast", "status": "Created", "driver": "btrfs", "config": config, "used_by": []})


class Going(Daemon):
    """A daemon whose pool is gone once it was deleted."""

    def __call__(self, call: Call) -> str:
        if self.changes():
            self.answers.pop("GET /1.0/storage-pools/fast", None)
        return super().__call__(call)


def with_pool(first: dict[str, Any], second: dict[str, Any]) -> Going:
    daemon = Going()
    daemon.on("GET /1.0/cluster/members?recursion=1", ok(MEMBERS)).on("GET /1.0/storage-pools/fast", pool())
    daemon.on("GET /1.0/storage-pools/fast?target=a", first).on("GET /1.0/storage-pools/fast?target=b", second)
    return daemon


async def test_the_disks_of_a_pool_that_went_are_empty_again():
    daemon = with_pool(pool(**{"volatile.initial_source": ONE, "source": "/dev/disk/by-uuid/x"}), pool(source=TWO))
    session = machines(daemon, "")
    await storage_pool.restore(session, POOL, BEFORE)
    assert daemon.changes() == ["DELETE /1.0/storage-pools/fast"]
    assert (wiped(session), wiped(session.others["second"])) == ([ONE], [TWO])


@pytest.mark.parametrize(
    "second", [pool(), pool(source="/dev/disk/by-uuid/y"), {"status": 404, "metadata": None, "error": "not found"}]
)
async def test_a_disk_that_the_pool_does_not_name_is_left_alone(second: dict[str, Any]):
    session = machines(with_pool(pool(source=ONE), second), "")
    await storage_pool.restore(session, POOL, BEFORE)
    assert (wiped(session), wiped(session.others["second"])) == ([ONE], [])


async def test_a_disk_of_a_pool_that_was_never_made_is_left_alone():
    daemon = Daemon().on("GET /1.0/cluster/members?recursion=1", ok(MEMBERS))
    session = machines(daemon, "")
    await storage_pool.restore(session, POOL, BEFORE)
    assert (daemon.changes(), wiped(session)) == ([], [])


async def test_a_pool_that_is_used_stays_with_its_disks():
    daemon = with_pool(pool(source=ONE), pool(source=TWO))
    used = pool()
    used["metadata"]["used_by"] = ["/1.0/instances/web"]
    daemon.on("GET /1.0/storage-pools/fast", used)
    session = machines(daemon, "")
    await storage_pool.restore(session, POOL, BEFORE)
    assert (daemon.changes(), wiped(session)) == ([], [])
    assert "instance web still use it" in " ".join(session.messages)


async def test_a_disk_that_somebody_took_after_it_was_looked_at_is_not_wiped():
    looks = iter(["ext4\n", "<in use>\n"])
    session = FakeSession(machine="first").on("sh", lambda _: next(looks))
    with pytest.raises(HearthError, match="is in use since it was looked at; it was not wiped"):
        await disks.make_ready(session, {"a": {"source": ONE}}, {"a": "first"}, ["a"])


async def test_a_look_that_fails_is_no_empty_disk():
    session = FakeSession(machine="first").on("sh", 1)
    with pytest.raises(HearthError):
        await disks.make_ready(session, {"a": {"source": ONE}}, {"a": "first"}, [])


async def test_a_disk_that_can_not_be_read_says_why():
    session = FakeSession(machine="first").on("sh", "<not readable: Input/output error>\n")
    with pytest.raises(HearthError) as caught:
        await disks.make_ready(session, {"a": {"source": ONE}}, {"a": "first"}, ["a"])
    assert f"a: {ONE} is not readable: Input/output error" in str(caught.value)


# --- a member that comes later, or goes earlier ------------------------------------------------------------------


def joins(said: str) -> tuple[Daemon, FakeSession]:
    """Return a cluster that has a pool on disks, and a machine that says so of the one that it is to bring."""
    cluster = first_member().on("GET /1.0/storage-pools?recursion=1", ok([{"name": "fast", "status": "Created"}]))

    def answer(call: Call) -> str:
        return said if "wipefs --no-act" in (call.script or "") else ""

    return cluster, joiner(0, cluster).on("sh", answer)


LATER = WISH.model_copy(update={"pools": {"fast": {"source": ONE}, "not-there-yet": {"source": TWO}}})


async def test_a_member_whose_disk_is_not_empty_does_not_join_and_no_token_is_made():
    cluster, session = joins("ext4\n")
    with pytest.raises(HearthError) as caught:
        await member.apply(session, LATER, NOTHING)
    assert f"fast: {ONE} is not empty (ext4)" in str(caught.value)
    assert "POST /1.0/cluster/members" not in cluster.changes()
    assert wiped(session) == []


@pytest.mark.parametrize(("said", "wipe", "expected"), [("", [], []), ("ext4\n", ["fast"], [ONE])])
async def test_a_member_brings_its_disk_where_it_is_empty_or_may_be_wiped(
    said: str, wipe: list[str], expected: list[str]
):
    _, session = joins(said)
    await member.apply(session, LATER.model_copy(update={"wipe": wipe}), NOTHING)
    (preseed_,) = [call.stdin.decode() for call in session.calls if call.line.startswith("lxd init")]
    assert ONE in preseed_
    assert TWO not in preseed_
    assert wiped(session) == expected


async def test_the_disk_of_a_member_that_leaves_is_empty_again_once_its_daemon_has_let_go_of_it():
    own = Daemon().on("GET /1.0", server(clustered=True, name="b")).on("GET /1.0/cluster/members/b", ok(MEMBERS[1]))
    own.on("GET /1.0/cluster/members?recursion=1", ok(MEMBERS)).on("GET /1.0/instances?recursion=1", ok([]))
    own.on("GET /1.0/storage-pools/fast?target=b", pool(**{"volatile.initial_source": ONE}))
    session = FakeSession(machine="two").on("python3", own).on("sh", "").on("systemctl", "")
    await member.restore(session, LATER, NOTHING)
    assert own.changes() == ["DELETE /1.0/cluster/members/b"]
    assert wiped(session) == [ONE]
    scripts = [call.script for call in session.calls if call.script]
    assert scripts.index(next(each for each in scripts if "umount -l" in each)) < scripts.index(
        next(each for each in scripts if "wipefs --all" in each)
    )

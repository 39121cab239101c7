"""What each kind tells a person to do where it does not know any more what was there before."""

from __future__ import annotations

from typing import Any

import pytest

from providers.kinds.table import all_kinds

KIND = {kind.name: kind for kind in all_kinds()}
COMMANDS: list[tuple[str, dict[str, Any], str]] = [
    ("File", {"path": "/etc/a b", "content": "secret"}, "rm '/etc/a b'"),
    ("Directory", {"path": "/srv/models"}, "rmdir /srv/models"),
    ("Tree", {"path": "/srv/www", "source": "site"}, "what the project's site has, in /srv/www"),
    ("MountPoint", {"path": "/mnt/hub"}, "rmdir /mnt/hub"),
    (
        "Block",
        {"path": "/etc/fstab", "name": "hub", "content": "secret"},
        "its lines in /etc/fstab, from the one with `BEGIN hearth hub` on",
    ),
    ("Package", {"name": "podman"}, "apt-get purge podman"),
    ("User", {"name": "secondbrain"}, "userdel secondbrain"),
    ("Unit", {"name": "a.timer", "enabled": True}, "systemctl disable --now a.timer"),
    (
        "Unit",
        {"name": "a.service", "text": "[Service]\nExecStart=/bin/true\n"},
        "systemctl disable --now a.service; rm /etc/systemd/system/a.service; systemctl daemon-reload",
    ),
    (
        "Unit",
        {"name": "web.pod", "user": "ann", "text": "[Pod]\n"},
        "systemctl --user -M ann@ stop web-pod.service; rm ~ann/.config/containers/systemd/web.pod;"
        " systemctl --user -M ann@ daemon-reload",
    ),
    ("Script", {"name": "s", "check": "secret", "apply": "secret", "undo": "secret"}, "do what its `undo` says"),
    ("GitCheckout", {"path": "/opt/x", "url": "https://token@h/x", "revision": "v1"}, "rm -r /opt/x"),
    ("Venv", {"path": "/opt/x/.venv"}, "rm -r /opt/x/.venv"),
    (
        "ContainerImage",
        {"name": "docker.io/a/b:1", "user": "ann", "source": "pull"},
        "podman image rm docker.io/a/b:1, as ann",
    ),
    ("ContainerRecord", {"path": "/var/lib/x.json", "user": "ann", "container": "c"}, "rm /var/lib/x.json"),
    ("CommandOutput", {"name": "f", "command": ["true"]}, ""),
    (
        "Daemon",
        {"daemon": "lxd"},
        "systemctl stop lxd-containers.service lxd.socket lxd.service lxcfs.service;"
        " apt-get purge nftables dnsmasq-base lxd",
    ),
    ("Member", {"name": "bcn1", "address": "10.0.0.1:8443"}, "lxc cluster remove bcn1"),
    ("StoragePool", {"name": "default", "driver": "dir"}, "lxc storage delete default"),
    ("Network", {"name": "lxdbr0"}, "lxc network delete lxdbr0"),
    ("Profile", {"name": "base"}, "lxc profile delete base"),
    ("ClusterGroup", {"name": "gpu", "daemon": "incus"}, "incus cluster group delete gpu"),
    ("Image", {"alias": "debian", "file": "/srv/image.tar"}, "lxc image delete debian"),
    (
        "GpuReservation",
        {"cards": ["0000:01:00.0"]},
        "rm /etc/initramfs-tools/scripts/init-top/hearth-vfio /etc/modprobe.d/hearth-vfio.conf"
        " /etc/modules-load.d/hearth-vfio.conf /etc/default/grub.d/90-hearth-iommu.cfg;"
        " update-initramfs -u -k all; update-grub; restart it",
    ),
    (
        "Bridge",
        {"name": "br0", "nic": "eth1"},
        "ip link delete br0; the files with hearth-br0 in their names go",
    ),
    (
        "OverlayMember",
        {"network": "0123456789abcdef", "token": "secret", "name": "bcn1"},
        "zerotier-cli leave 0123456789abcdef",
    ),
    ("Instance", {"name": "vm1", "image": "debian", "config": {"user.x": "secret"}}, "lxc delete --force vm1"),
    (
        "MatrixUser",
        {"homeserver": "http://127.0.0.1:8008", "user": "echo", "password": "secret", "token_file": "/srv/echo.json"},
        "log the device MAUBOT of echo out; rm /srv/echo.json",
    ),
    (
        "MaubotPlugin",
        {"plugin": "sna.instagram", "source": "apps/x", "sha256": "0" * 64},
        "remove the plugin sna.instagram in maubot's web page",
    ),
    (
        "MaubotClient",
        {
            "user_id": "@echo:lab.test",
            "homeserver": "http://127.0.0.1:8008",
            "access_token": "secret",
            "device_id": "MAUBOT",
        },
        "remove the client @echo:lab.test in maubot's web page",
    ),
    (
        "MaubotInstance",
        {"name": "echo-1", "type": "sna.instagram", "primary_user": "@echo:lab.test", "config": {"token": "secret"}},
        "remove the instance echo-1 in maubot's web page",
    ),
]


@pytest.mark.parametrize(
    ("name", "wish", "command"), COMMANDS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_kind_says_how_to_remove_it_by_hand_and_nothing_secret(name: str, wish: dict[str, Any], command: str):
    kind = KIND[name]
    inputs = kind.inputs.model_validate({"host": "box", **wish})
    assert kind.by_hand(inputs) == command


def test_every_kind_says_it():
    assert {name for name, _, _ in COMMANDS} == KIND.keys()

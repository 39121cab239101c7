"""What each check of a cluster looks at, broken on a machine and mended: by the check's question."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Break:
    """What a check looks at, broken on one machine and mended again."""

    machine: str
    spoil: str
    mend: str


KEY, KNOWN = "/home/admin/.ssh/id_ed25519_hearth", "/home/admin/.ssh/known_hosts"
BREAKS = {
    "bcn1 has its key, for its user alone": Break("bcn1", f"chmod 0644 {KEY}", f"chmod 0600 {KEY}"),
    "bcn1 reaches bcn2 as bcn2 over SSH": Break(
        "bcn2",
        r"sed -i 's/^\(ssh-ed25519 .* admin@bcn1\)$/#\1/' /home/admin/.ssh/authorized_keys",
        "sed -i 's/^#ssh-ed25519/ssh-ed25519/' /home/admin/.ssh/authorized_keys",
    ),
    "bcn2 reaches bcn1 as bcn1 over SSH": Break("bcn2", f"mv {KNOWN} {KNOWN}.away", f"mv {KNOWN}.away {KNOWN}"),
    "bcn1: only root may read it": Break("bcn1", "chmod 0644 /etc/hearth/env", "chmod 0600 /etc/hearth/env"),
    "bcn1: every required variable is there": Break(
        "bcn1", "sed -i s/^DOMAIN/XDOMAIN/ /etc/hearth/env", "sed -i s/^XDOMAIN/DOMAIN/ /etc/hearth/env"
    ),
    "bcn1: /root/.env leads to the environment file": Break(
        "bcn1", "ln -sfn /dev/null /root/.env", "ln -sfn /etc/hearth/env /root/.env"
    ),
    "bcn2 has its environment file": Break("bcn2", "mv /etc/hearth/env /root/away", "mv /root/away /etc/hearth/env"),
    # networkd puts it back in by itself, while it runs.
    "bcn1: eth1 is in br0": Break(
        "bcn1",
        "systemctl stop systemd-networkd.socket systemd-networkd.service; ip link set eth1 nomaster",
        "ip link set eth1 master br0; systemctl start systemd-networkd.socket systemd-networkd.service",
    ),
    "bcn2: br0 carries traffic": Break("bcn2", "ip link set br0 down", "ip link set br0 up"),
    "bcn2: br0 has the hardware address of eth1": Break(
        "bcn2",
        "ip link set br0 address 02:00:00:00:77:01",
        "ip link set br0 address $(cat /sys/class/net/eth1/address)",
    ),
    "bcn1: br0 has {bcn1}": Break("bcn1", "ip addr del {bcn1} dev br0", "ip addr replace {bcn1} dev br0"),
    "bcn1 reaches {bcn2_alone} through br0": Break("bcn1", ":", ":"),  # that bridge is down then
    "the pool default is whole on every member": Break(
        "bcn1",
        "lxd sql global 'UPDATE storage_pools_nodes SET state=0 WHERE node_id=2'",
        "lxd sql global 'UPDATE storage_pools_nodes SET state=1'",
    ),
    "the network lxdbr0 is whole on every member": Break(
        "bcn1",
        "lxd sql global 'UPDATE networks_nodes SET state=0 WHERE node_id=2'",
        "lxd sql global 'UPDATE networks_nodes SET state=1'",
    ),
    "the profile vm-base is there": Break("bcn1", "lxc profile rename vm-base x", "lxc profile rename x vm-base"),
    "the profile vm-resources is as configured": Break(
        "bcn1", "lxc profile set vm-resources limits.cpu 3", "lxc profile set vm-resources limits.cpu 4"
    ),
    "c2 has limits.memory 384MiB": Break(
        "bcn1", "lxc config set c2 limits.memory 300MiB", "lxc config set c2 limits.memory 384MiB"
    ),
    "c2 has 10.100.0.12 in lxdbr0": Break(
        "bcn1",
        "lxc exec c2 -- ip addr del 10.100.0.12/24 dev eth0",
        "lxc exec c2 -- ip addr add 10.100.0.12/24 dev eth0",
    ),
    "c2 finds ns1.{domain} by its own name server": Break(
        "bcn1", "lxc exec c2 -- mv /etc/resolv.conf /etc/away", "lxc exec c2 -- mv /etc/away /etc/resolv.conf"
    ),
    "c1 reaches c2": Break("bcn1", ":", ":"),  # by the bridge without its interface
    "the cluster has no other member": Break("bcn1", "lxc cluster rename bcn2 other", "lxc cluster rename other bcn2"),
    "the member bcn2 is online": Break("bcn1", ":", ":"),  # there is none of that name then
    "c2 is a container on bcn2": Break("bcn1", ":", ":"),  # it is on that other member
    "*.{domain} leads to {c1}": Break("bcn1", "sed -i 's/^[*] /any /' {zone}", "sed -i 's/^any /* /' {zone}"),
    "c2.{domain} leads to {c2}": Break("bcn1", "sed -i 's/^c2 /c9 /' {zone}", "sed -i 's/^c9 /c2 /' {zone}"),
    "the zone has a name server": Break(
        "bcn1", "sed -i 's/NS ns1$/NS bcn1/' {zone}", "sed -i 's/NS bcn1$/NS ns1/' {zone}"
    ),
    "10.100.0.11 leads back to c1.{domain}": Break(
        "bcn1", "sed -i 's/^11 /13 /' {reverse}; rndc reload", "sed -i 's/^13 /11 /' {reverse}; rndc reload"
    ),
}
PLACES = {
    "domain": "cluster.example.org",
    "zone": "/var/lib/bind/hearth/cluster.example.org.zone",
    "reverse": "/var/lib/bind/hearth/0.100.10.in-addr.arpa.zone",
}

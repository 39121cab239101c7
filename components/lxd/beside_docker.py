"""Docker on a member's machine: it closes forwarding to all but its own, and what instances send would end there.

Docker sets the policy of the chain FORWARD to DROP and asks its chain DOCKER-USER first, which is left to others. Rules
there outlive a restart of Docker, not one of the machine. So a program lays them: at the boot, and after each start of
Docker, which may be installed later. It takes them away on destroy. Without Docker it finds no such chain, and does
nothing.
Sources: Docker's "Packet filtering and firewalls"; LXD's "How to configure your firewall".
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi import ResourceOptions

from config.systems.lxd import Lxd
from providers.resources.host import Directory, File, Unit

PROGRAM = "/usr/local/sbin/hearth-lxd-beside-docker"
UNIT = "hearth-lxd-beside-docker.service"
DOCKER_FOLDER = "/etc/systemd/system/docker.service.d"
MARK = "hearth-lxd"
"""The comment by which our rules are known; the chain is everybody's."""
_PROGRAM = """\
#!/bin/sh
# Lets through what goes from and to the links of instances, where Docker has closed forwarding.
# let: lays the rules; held: ends with 1 where one is missing; end: takes them away.
set -u
links='{links}'
wrong=0

wanted() {{
    for link in $links; do
        echo "-i $link -m comment --comment {mark} -j ACCEPT"
        echo "-o $link -m comment --comment {mark} -j ACCEPT"
    done
}}
there() {{
    "$tables" -w 10 -S DOCKER-USER | sed -n 's/^-A DOCKER-USER \\(.* --comment {mark} -j ACCEPT\\)$/\\1/p'
}}
# Prints the lines of the first text that the second does not have.
beyond() {{
    printf '%s\\n' "$1" | while IFS= read -r rule; do
        [ -z "$rule" ] || printf '%s\\n' "$2" | grep -qxF -e "$rule" || printf '%s\\n' "$rule"
    done
}}
each() {{
    while IFS= read -r rule; do
        # shellcheck disable=SC2086 # a rule is words without quotes
        [ -z "$rule" ] || "$tables" -w 10 "$1" DOCKER-USER $rule
    done
}}

for tables in iptables ip6tables; do
    "$tables" -w 10 -n -L DOCKER-USER >/dev/null 2>&1 || continue
    there=$(there) || exit 2
    case $1 in
    let)
        beyond "$there" "$(wanted)" | each -D || wrong=1
        beyond "$(wanted)" "$there" | each -I || wrong=1
        ;;
    held) [ -z "$(beyond "$(wanted)" "$there")" ] || wrong=1 ;;
    end) printf '%s\\n' "$there" | each -D || wrong=1 ;;
    *) exit 2 ;;
    esac
done
exit "$wrong"
"""
_UNIT = f"""\
[Unit]
Description=Let what LXD's instances send through where Docker has closed forwarding
After=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={PROGRAM} let
ExecStop={PROGRAM} end

[Install]
WantedBy=multi-user.target
"""
_AFTER_DOCKER = f"""\
# Docker may be installed, or lose its rules, long after the boot.
[Service]
ExecStartPost=-{PROGRAM} let
"""


def program(links: Sequence[str]) -> str:
    """Return the program for links whose names the settings have held to `OwnLinkName`."""
    return _PROGRAM.format(links=" ".join(links), mark=MARK)


def links_of(settings: Lxd, member: str) -> list[str]:
    """Return the links of a member that instances are on: LXD's own networks, and the machine's bridges."""
    return [*settings.networks, *(bridge for bridge, wanted in settings.bridges.items() if member in wanted.members)]


def lay(parent: pulumi.Resource, name: str, settings: Lxd) -> None:
    """Register the program on each member, and what runs it."""
    for member in settings.members:
        links, host = links_of(settings, member), settings.host_of(member)
        if not links:
            continue
        text = program(links)
        file = File(
            f"{name}-beside-docker-program-{member}",
            host=host,
            path=PROGRAM,
            content=text,
            mode="0755",
            opts=ResourceOptions(parent=parent),
        )
        folder = Directory(
            f"{name}-beside-docker-folder-{member}", host=host, path=DOCKER_FOLDER, opts=ResourceOptions(parent=parent)
        )
        File(
            f"{name}-beside-docker-start-{member}",
            host=host,
            path=f"{DOCKER_FOLDER}/50-hearth-lxd.conf",
            content=_AFTER_DOCKER,
            mode="0644",
            opts=ResourceOptions(parent=parent, depends_on=[folder, file]),
        )
        Unit(
            f"{name}-beside-docker-{member}",
            host=host,
            name=UNIT,
            text=_UNIT,
            enabled=True,
            running=True,
            restart_on=[text],
            opts=ResourceOptions(parent=parent, depends_on=[file]),
        )

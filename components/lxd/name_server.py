"""bind9 on one member: its files, checked before it reads them, and its unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi import ResourceOptions

from components.lxd import zone
from components.lxd.names import FOLDER, names_of
from config.systems.lxd import Lxd
from config.systems.lxd.parts import Dns
from providers.resources.host import Directory, File, Package, Script, Unit

OPTIONS = "/etc/bind/named.conf.options"
LOCAL = "/etc/bind/named.conf.local"


def lay(parent: pulumi.Resource, name: str, settings: Lxd, dns: Dns, networks: Sequence[pulumi.Resource]) -> None:
    """Register the name server, after LXD's networks, whose own name servers have their addresses by then."""
    host = settings.host_of(dns.member)
    wanted = names_of(settings, dns)

    def after(*resources: pulumi.Resource) -> ResourceOptions:
        return ResourceOptions(parent=parent, depends_on=[*networks, *resources])

    package = Package(f"{name}-dns-package", host=host, name="bind9", opts=after())
    tools = Package(f"{name}-dns-tools", host=host, name="bind9-utils", opts=after(package))
    folder = Directory(f"{name}-dns-folder", host=host, path=FOLDER, mode="0755", opts=after(package))
    files = [
        File(f"{name}-dns-zone-{number}", host=host, path=path, content=text, opts=after(folder))
        for number, (path, text) in enumerate(sorted(wanted.files.items()))
    ]
    files.append(File(f"{name}-dns-options", host=host, path=OPTIONS, content=wanted.options, opts=after(package)))
    local = zone.named_zones(wanted.zones)
    files.append(File(f"{name}-dns-zones", host=host, path=LOCAL, content=local, opts=after(package)))
    read = [wanted.options, local, *wanted.files.values()]
    checked = Script(
        f"{name}-dns-checked",
        host=host,
        name="bind9: what it is given can be read",
        check="named-checkconf -z >/dev/null",
        check_on=read,
        apply="named-checkconf -z",
        opts=after(tools, *files),
    )
    # Its package has started it, with the configuration that it brought.
    Unit(
        f"{name}-dns-unit",
        host=host,
        name="named.service",
        enabled=True,
        running=True,
        restart_on=read,
        restart_on_files=[OPTIONS, LOCAL, FOLDER],
        opts=after(checked),
    )


def deployed(settings: Lxd) -> dict[str, Any] | None:
    """Return what the checks need to know of it."""
    dns = settings.dns
    if dns is None:
        return None
    wanted = names_of(settings, dns)
    return {
        "host": settings.host_of(dns.member),
        "address": str(wanted.listen[0]),
        "domain": dns.domain,
        "names": {
            dns.domain if name == "@" else f"{name}.{dns.domain}": [str(each) for each in addresses]
            for name, addresses in wanted.names.items()
            if "*" not in name
        },
        "wildcard": [str(each) for each in wanted.wildcard],
        "reverse": wanted.reverse,
    }

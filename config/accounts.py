"""Names of a machine's accounts: what a name may look like, and which accounts are not ours to make or to change."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*\$?")
LONGEST_LOGIN = 64  # characters, as the next
LONGEST_OWN = 32
"""useradd(8): a name may have at most 32 characters."""


def login_name(value: str) -> str:
    """Return the name of an account that may be there already, a domain's included: `ann.smith`, `ann@corp`.

    A number alone is refused: programs take it for an account's id, and 0 is root. Raises ValueError.
    """
    if len(value) > LONGEST_LOGIN or not _LOGIN.fullmatch(value) or value.isdigit():
        raise ValueError(
            f"must be a user name: up to {LONGEST_LOGIN} letters, digits, '_', '-', '.', '@' and '+', not digits alone "
            "and not beginning with a sign; write the name as `id -un` says it"
        )
    return value


LoginName = Annotated[str, AfterValidator(login_name)]
"""The name of a user of a machine."""


def words(text: str) -> frozenset[str]:
    """Return the words of a text, as a set of names."""
    return frozenset(text.split())


BASE = words(
    "root toor daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody nogroup"
)
"""The accounts that every Debian has: Debian Policy, section 9.2, and the package base-passwd; `toor` is BSD's root."""
GROUPS = words(
    "adm tty disk lp kmem dialout fax voice cdrom floppy tape sudo wheel audio dip operator src shadow utmp video sasl "
    "plugdev staff users input sgx kvm render crontab netdev docker lxd libvirt incus-admin ssl-cert ssh ssh_keys "
    "bluetooth scanner lpadmin admin"
)
"""Groups that give rights: a new account's own group has its name, and would be that one."""
SERVICES = words(
    "sshd messagebus dbus polkitd avahi dnsmasq tss uuidd rtkit colord geoclue saned usbmux ntp ntpsec chrony chronyd "
    "statd rpc sssd postfix dovecot exim mysql postgres redis nginx apache caddy named bind unbound munge ceph "
    "libvirt-qemu syslog landscape pollinate fwupd-refresh containers tcpdump rwhod halt shutdown "
    "nm-openvpn strongswan gdm lightdm sddm cups-pk-helper hplip whoopsie speech-dispatcher kernoops "
    "gnome-initial-setup Debian-exim Debian-snmp debian-tor debian-transmission debian-spamd mongodb mongod rabbitmq "
    "elasticsearch kibana logstash influxdb telegraf grafana prometheus jenkins tomcat memcache memcached couchdb "
    "asterisk haproxy squid varnish vcache openldap slapd radvd snmp proftpd vsftpd ftp tftp pdns knot nsd zabbix "
    "nagios icinga munin bacula jellyfin mosquitto zerotier-one gitea forgejo gitlab-runner minio vault consul nomad "
    "etcd hacluster cups pulse glance nova neutron keystone"
)
"""Accounts that packages make for their services."""
LOGINS = words("admin administrator ubuntu debian pi ec2-user cloud-user centos fedora rocky opc core vagrant")
"""Who logs in on images of distributions and clouds, unless somebody changed that."""


def whose(name: str) -> str:
    """Return whose an account is by its name alone: `the system's`, ...; empty where it may be one of our own."""
    if name in BASE:
        return "the system's"
    if name.startswith(("_", "systemd-")) or name in SERVICES:
        return "a package's"  # Debian Policy: packages' own accounts begin with an underscore
    if name in GROUPS:
        return "a group's, which gives rights to who is in it"
    if name in LOGINS:
        return "usually who logs in"
    return ""


def _own_account(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_.-]*", value.lstrip("_")) or value.endswith("."):
        raise ValueError(
            "must be a user name: lowercase letters, digits, '_', '-' and '.', not beginning with a digit; "
            "choose such a name"
        )
    if owner := whose(value):
        raise ValueError(f"must be an account of its own, and this one is {owner}; choose another name")
    return value


def _login(value: str) -> str:
    if value != "root" and (value in BASE or value in SERVICES or value.startswith(("_", "systemd-"))):
        raise ValueError(f"must be somebody who logs in, and this account is {whose(value)}; name the user")
    return value


SomebodysName = Annotated[LoginName, AfterValidator(_login)]
"""The name of a user who logs in; root is one of them."""
OwnAccountName = Annotated[str, Field(max_length=LONGEST_OWN), AfterValidator(_own_account)]
"""The name of an account that Hearth makes, and changes, and that nobody else has."""

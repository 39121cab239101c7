"""How to try the kind User: system accounts with everything that a rootless container wants."""

from tests.lab.providers.kind_cases import Case, Inputs

RANGES = {"right": "700000:65536", "imported": "800000:65536"}


def wish(variant: str) -> Inputs:
    return {
        "name": f"kinds-{variant}",
        "home": f"/srv/kinds/home-{variant}",
        "shell": "/bin/sh",
        "groups": ["adm"],
        "subordinate_ids": "auto",
        "linger": True,
        "remove_home": True,
    }


def holds(variant: str, inputs: Inputs) -> str:
    name, home = inputs["name"], inputs["home"]
    groups = " ".join([name, *inputs["groups"]])
    return (
        f'[ "$(getent passwd {name} | cut -d: -f6,7)" = "{home}:{inputs["shell"]}" ]\n'
        f'[ "$(id -Gn {name})" = "{groups}" ]\n'
        f"[ \"$(stat -c '%a %U' {home})\" = '700 {name}' ]\n"
        f"[ -e /var/lib/systemd/linger/{name} ]\n"
        f'range=$(sed -n "s/^{name}://p" /etc/subuid); [ -n "$range" ]\n'
        f'[ "$(sed -n "s/^{name}://p" /etc/subgid)" = "$range" ]\n'
        # Nobody else has a range that starts there.
        '[ "$(grep -c ":$range" /etc/subuid)" = 1 ]'
    )


def look(variant: str) -> str:
    name, home = f"kinds-{variant}", f"/srv/kinds/home-{variant}"
    return (
        f"getent passwd {name} || echo none; getent group {name} || echo none; id -Gn {name} 2>&1 || true\n"
        f"grep '^{name}:' /etc/subuid /etc/subgid || true; ls /var/lib/systemd/linger | grep '^{name}$' || true\n"
        f"stat -c '%n %a %U %G' {home} /srv/kinds/old-home-{variant} 2>&1 || true; ls -A {home} 2>&1 || true"
    )


def right(variant: str, inputs: Inputs) -> str:
    name = inputs["name"]
    return (
        f"useradd --system --create-home --home-dir {inputs['home']} --shell {inputs['shell']} --groups adm {name}\n"
        f"chmod 0700 {inputs['home']}\n"
        f"echo {name}:{RANGES[variant]} | tee -a /etc/subuid >>/etc/subgid\n"
        f"loginctl enable-linger {name}"
    )


def importable(variant: str) -> Inputs:
    return {name: value for name, value in wish(variant).items() if name != "remove_home"}


def odd(variant: str) -> str:
    """Return an account as people have them: a shell, a home that others may read, two ranges, a password, a group."""
    name = f"kinds-{variant}"
    return (
        f"home=/srv/kinds/odd-home-{variant}\n"
        f"useradd --create-home --home-dir $home --shell /bin/dash --groups video {name}\n"
        f"chmod 0751 $home; chgrp adm $home; echo {name}:dear | chpasswd\n"
        f"for range in 900000:10 910000:65536; do echo {name}:$range >>/etc/subuid; done\n"
        f"echo {name}:990000:65536 >>/etc/subgid"
    )


CASES = [
    Case(
        kind="User",
        wish=wish,
        changed=lambda variant: {"shell": "/bin/bash", "groups": ["adm", "video"]},
        holds=holds,
        look=look,
        right=right,
        other=lambda variant: (
            f"mkdir -p /srv/kinds; useradd --create-home --home-dir /srv/kinds/old-home-{variant} --shell /bin/false"
            f" --groups video kinds-{variant}"
        ),
        drift=lambda variant: f"usermod --shell /bin/dash kinds-{variant}",
        drifted="shell",
        remove=lambda variant: (
            f"loginctl disable-linger kinds-{variant}; systemctl stop user@$(id -u kinds-{variant})\n"
            f"userdel kinds-{variant}"
        ),
        unknown="shell",
        identity=lambda variant: f"kinds-{variant}",
        importable=importable,
        least=lambda variant: {"name": f"kinds-{variant}", "more_groups": ["adm"], "subordinate_ids": "auto"},
        odd=odd,
        kept=lambda variant: (
            f"getent passwd kinds-{variant}; grep '^kinds-{variant}:' /etc/subuid /etc/subgid /etc/shadow\n"
            f"stat -c '%n %a %U %G' /srv/kinds/odd-home-{variant}; id -Gn kinds-{variant} | tr ' ' '\n' | grep -vx adm"
        ),
        refused=lambda variant: {**wish(variant), "groups": ["adm", "nobody-has-made-this"]},
        prepare="mkdir -p /srv/kinds",
    )
]

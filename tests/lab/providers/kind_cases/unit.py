"""How to try the kind Unit: a service of the system, one of an account, and a Quadlet file of an account."""

from collections.abc import Callable

from tests.lab.providers.kind_cases import Case, Inputs

USER = "backstage440"
UID = "$(id -u backstage440)"
HOME = f"/home/{USER}"
# The account's manager is up; the target is what every rootless Quadlet unit waits for, for 90 seconds.
PREPARE = f"""
mkdir -p /srv/kinds
systemctl start network-online.target
loginctl enable-linger {USER}
until [ -S /run/user/{UID}/bus ]; do sleep 0.1; done
"""


def text_of(variant: str, target: str, seconds: int = 1000000) -> str:
    return f"[Unit]\nDescription={variant}\n[Service]\nExecStart=/bin/sleep {seconds}\n[Install]\nWantedBy={target}\n"


def network_of(variant: str, label: str = "one") -> str:
    return f"[Unit]\nDescription={variant}\n[Network]\nLabel=kinds={label}\n[Install]\nWantedBy=default.target\n"


def case(
    *,
    user: str | None,
    suffix: str,
    service: str,
    folder: str,
    text: Callable[[str], str],
    changed: Callable[[str], str],
) -> Case:
    """Return how to try one kind of unit of one manager.

    `suffix` is the file's, `service` what is behind the unit's stem.
    """
    as_user = f"setpriv --reuid={USER} --regid={USER} --init-groups --reset-env env XDG_RUNTIME_DIR=/run/user/{UID} "
    systemctl = f"{as_user}systemctl --user" if user else "systemctl"
    word = "-user" if user else ""
    owner = user or "root"
    quadlet = suffix != ".service"

    def name(variant: str) -> str:
        return f"kinds{word}-{variant}{suffix}"

    def runs(variant: str) -> str:
        return f"kinds{word}-{variant}{service}"

    def wish(variant: str) -> Inputs:
        inputs: Inputs = {"name": name(variant), "text": text(variant), "enabled": True, "running": True}
        return {**inputs, "user": user} if user else inputs

    def written(variant: str, content: str) -> str:
        return (
            f"setpriv --reuid={owner} --regid={owner} --init-groups mkdir -p {folder}\n"
            f"cat >{folder}/{name(variant)} <<'END'\n{content}END\nchown {owner}:{owner} {folder}/{name(variant)}\n"
            f"{systemctl} daemon-reload\n"
        )

    def holds(variant: str, inputs: Inputs) -> str:
        moved = inputs["name"].removeprefix(f"kinds{word}-").removesuffix(suffix)
        enabled = "generated" if quadlet else "enabled"
        return (
            f"cat >/tmp/wished <<'END'\n{inputs['text']}END\ncmp /tmp/wished {folder}/{inputs['name']}\n"
            f"[ \"$(stat -c '%a %U' {folder}/{inputs['name']})\" = '644 {owner}' ]\n"
            f'[ "$({systemctl} is-enabled {runs(moved)})" = {enabled} ]\n'
            f'[ "$({systemctl} show -p NeedDaemonReload --value {runs(moved)})" = no ]\n'
            f"{systemctl} is-active {runs(moved)}"
        )

    def look(variant: str) -> str:
        path = f"{folder}/{name(variant)}"
        network = f"{as_user}podman network exists systemd-kinds{word}-{variant} 2>/dev/null && echo a network || true"
        return (
            f"stat -c '%n %a %U %G' {path} 2>&1 || true; cat {path} 2>&1 || true\n"
            f"{systemctl} is-enabled {runs(variant)} 2>&1 || true; {systemctl} is-active {runs(variant)} || true\n"
            f"{systemctl} show -p LoadState {runs(variant)}\n"
            f"find {folder} -name '{name(variant)}' -type l; {network if quadlet else ''}"
        )

    enable = "" if quadlet else "enable --now"
    return Case(
        kind="Unit",
        wish=wish,
        changed=lambda variant: {"text": changed(variant)},
        holds=holds,
        look=look,
        right=lambda variant, inputs: (
            f"{written(variant, inputs['text'])}{systemctl} {enable or 'start'} {runs(variant)}"
        ),
        other=lambda variant: f"{written(variant, changed(variant))}chmod 0640 {folder}/{name(variant)}",
        drift=lambda variant: f"{systemctl} stop {runs(variant)}",
        drifted="running",
        remove=lambda variant: f"{systemctl} stop {runs(variant)}; rm {folder}/{name(variant)}",
        unknown="text",
        unreadable=lambda variant: f"head -c 5000000 /dev/zero >{folder}/{name(variant)}",
        refused=lambda variant: {
            **wish(variant),
            "text": text(variant).replace("[Install]", "Broken=\n[Broken\n[Install]"),
        },
        in_the_way=lambda variant: written(variant, changed(variant)),
        identity=lambda variant: f"user/{user}/{name(variant)}" if user else f"system/{name(variant)}",
        prepare=PREPARE,
    )


CASES = [
    case(
        user=None,
        suffix=".service",
        service=".service",
        folder="/etc/systemd/system",
        text=lambda variant: text_of(variant, "multi-user.target"),
        changed=lambda variant: text_of(variant, "multi-user.target", 2000000),
    ),
    case(
        user=USER,
        suffix=".service",
        service=".service",
        folder=f"{HOME}/.config/systemd/user",
        text=lambda variant: text_of(variant, "default.target"),
        changed=lambda variant: text_of(variant, "default.target", 2000000),
    ),
    case(
        user=USER,
        suffix=".network",
        service="-network.service",
        folder=f"{HOME}/.config/containers/systemd",
        text=network_of,
        changed=lambda variant: network_of(variant, "two"),
    ),
]

"""How to try the kind ContainerRecord: a user's container that was made by hand, and is never started."""

from tests.lab.providers.kind_cases import Case, Inputs

USER = "backstage440"


def path(variant: str) -> str:
    return f"/srv/kinds/record-{variant}.json"


def wish(variant: str) -> Inputs:
    return {"path": path(variant), "user": USER, "container": "kinds-kept"}


CASES = [
    Case(
        kind="ContainerRecord",
        wish=wish,
        holds=lambda variant, inputs: f"grep -q '\"port\": 8080' {inputs['path']}",
        look=lambda variant: f"cat {path(variant)}",
        right=lambda variant, inputs: f'echo \'{{"port": 8080, "image": "some/image"}}\' >{inputs["path"]}',
        # The record is what counts from then on, whatever an update asks for.
        changed=lambda variant: {"port_needed": False},
        drift=lambda variant: "true",
        drifting=(),
        drifted="",
        remove=lambda variant: f"rm {path(variant)}",
        unknown="container",
        refused=wish,
        in_the_way=lambda variant: f"echo dear >{path(variant)}",
        prepare=f"""
mkdir -p /srv/kinds/rootfs
loginctl enable-linger {USER}
until [ -d /run/user/1000 ]; do sleep 0.1; done
cd /
runuser -u {USER} -- env XDG_RUNTIME_DIR=/run/user/1000 HOME=/home/{USER} \\
    podman create --quiet --name kinds-kept --expose 8080/tcp --rootfs /srv/kinds/rootfs true
""",
    )
]

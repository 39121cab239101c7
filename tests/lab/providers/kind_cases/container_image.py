"""How to try the kind ContainerImage: from an archive on the machine itself, into root's store."""

from tests.lab.providers.kind_cases import Case, Inputs

ARCHIVE = "/srv/kinds/image.tar"
PREPARE = f"""
mkdir -p /srv/kinds
tar -c -f - --files-from /dev/null | podman import -q - localhost/kinds/base:1
podman save -q -o {ARCHIVE} localhost/kinds/base:1
podman image inspect --format '{{{{.Id}}}}' localhost/kinds/base:1 >/srv/kinds/image-id
tar -c -f - --files-from /dev/null | podman import -q --change LABEL=another=one - localhost/kinds/another:1
podman image rm localhost/kinds/base:1
"""


def name(variant: str) -> str:
    return f"localhost/kinds/{variant}:1"


def wish(variant: str) -> Inputs:
    return {"name": name(variant), "source": f"archive:{ARCHIVE}"}


CASES = [
    Case(
        kind="ContainerImage",
        wish=wish,
        # Only says where it comes from the next time.
        changed=lambda variant: {"source": "pull"},
        changing=("right",),
        holds=lambda variant, inputs: (
            f"podman image inspect --format '{{{{.Id}}}}' {inputs['name']} | cmp - /srv/kinds/image-id"
        ),
        look=lambda variant: (
            f"podman image inspect --format '{{{{.Id}}}} {{{{.Digest}}}}' {name(variant)} 2>/dev/null || echo none\n"
            "podman image exists localhost/kinds/base:1 2>/dev/null && echo the name in the archive || true"
        ),
        right=lambda variant, inputs: (
            f"podman load -q -i {ARCHIVE}; podman tag localhost/kinds/base:1 {inputs['name']}\n"
            "podman untag localhost/kinds/base:1 localhost/kinds/base:1"
        ),
        drift=lambda variant: f"podman tag localhost/kinds/another:1 {name(variant)}",
        drifted="source",
        drifting=("right",),
        remove=lambda variant: f"podman image rm {name(variant)}",
        unknown="source",
        identity=lambda variant: f"root/{name(variant)}",
        importable=lambda variant: {"name": name(variant)},
        refused=lambda variant: {"name": name(variant), "source": "archive:/srv/kinds/nothing.tar"},
        prepare=PREPARE,
    )
]

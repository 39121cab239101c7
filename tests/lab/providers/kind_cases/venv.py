"""How to try the kind Venv: packages are wheels on the machine itself, for pip's own configuration there."""

from tests.lab.providers.kind_cases import Case, Inputs

WHEELS = "/srv/kinds/wheels"


def path(variant: str) -> str:
    return f"/srv/kinds/venv-{variant}"


def wish(variant: str) -> Inputs:
    return {
        "path": path(variant),
        "requirements": ["hearthdemo==1.0", f"hearthother @ file://{WHEELS}/hearthother-1.0-py3-none-any.whl"],
        "editable": "/srv/kinds/project",
        "owner": "backstage440",
    }


def holds(variant: str, inputs: Inputs) -> str:
    there = inputs["path"]
    versions = "hearthdemo, hearthother, hearthproject"
    show = f'import importlib.metadata as m, {versions}; print(m.version("hearthdemo"), hearthproject.__file__)'
    version = inputs["requirements"][0].partition("==")[2]
    return (
        f"[ \"$({there}/bin/python -c '{show}')\" = '{version} /srv/kinds/project/hearthproject.py' ]\n"
        f'[ "$(stat -c %U {there} {there}/bin/python)" = "backstage440\nbackstage440" ]'
    )


def look(variant: str) -> str:
    return (
        f"stat -c '%n %F %a %U %G' {path(variant)}; readlink {path(variant)}/bin/python;"
        # What `pip freeze --all` would print is read from there: each pip takes seconds.
        f" cat {path(variant)}/pyvenv.cfg; cd {path(variant)}/lib/python3*/site-packages; ls -d *.dist-info;"
        f" cat *.dist-info/direct_url.json; ls {path(variant)}/bin"
    )


def make(variant: str, *requirements: str) -> str:
    there = path(variant)
    return (
        f"install -d -o backstage440 -g backstage440 {there}\n"
        f"runuser -u backstage440 -- sh -euc 'python3 -m venv {there};"
        f" {there}/bin/pip install -q {' '.join(requirements)}'"
    )


PREPARE = rf"""
mkdir -p {WHEELS} /srv/kinds/project
cat >/srv/kinds/wheels.py <<'END'
import zipfile
for name, version in (("hearthdemo", "1.0"), ("hearthdemo", "2.0"), ("hearthother", "1.0")):
    with zipfile.ZipFile("{WHEELS}/%s-%s-py3-none-any.whl" % (name, version), "w") as file:
        info = "%s-%s.dist-info/" % (name, version)
        file.writestr(name + ".py", "")
        file.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (name, version))
        file.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(info + "RECORD", "")
END
python3 /srv/kinds/wheels.py
cat >/srv/kinds/project/backend.py <<'END'
import zipfile
def build_editable(folder, settings=None, metadata=None):
    name = "hearthproject-0.1-py3-none-any.whl"
    with zipfile.ZipFile(folder + "/" + name, "w") as file:
        info = "hearthproject-0.1.dist-info/"
        file.writestr("hearthproject.pth", "/srv/kinds/project\n")
        file.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: hearthproject\nVersion: 0.1\n")
        file.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(info + "RECORD", "")
    return name
END
echo >/srv/kinds/project/hearthproject.py
cat >/srv/kinds/project/pyproject.toml <<'END'
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "hearthproject"
version = "0.1"
END
printf '[global]\nno-index = true\nfind-links = {WHEELS}\n' >/etc/pip.conf
"""

CASES = [
    Case(
        kind="Venv",
        wish=wish,
        changed=lambda variant: {"requirements": ["hearthdemo==2.0", *wish(variant)["requirements"][1:]]},
        holds=holds,
        look=look,
        right=lambda variant, inputs: make(
            variant, *(f'"{each}"' for each in inputs["requirements"]), f"-e {inputs['editable']}"
        ),
        other=lambda variant: make(variant, "hearthdemo==2.0"),
        drift=lambda variant: f"runuser -u backstage440 -- {path(variant)}/bin/pip -q uninstall -y hearthdemo",
        drifted="requirements",
        remove=lambda variant: f"rm -r {path(variant)}",
        unknown="editable",
        identity=lambda variant: path(variant)[1:],
        # Each pip takes seconds: what an adopted one goes through is tried with kinds that are quicker.
        drifting=("old",),
        changing=("old",),
        moves=False,
        refused=wish,
        in_the_way=lambda variant: f"mkdir {path(variant)}; echo dear >{path(variant)}/letter",
        prepare=PREPARE,
    )
]

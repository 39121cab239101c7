"""How to try the kind Package: small packages from a repository on the machine itself, each with a dependency.

apt knows of no other there: it weighs all that it knows of at every step, and Debian's take it a second or two.
"""

from tests.lab.providers.kind_cases import Case, Inputs

REPOSITORY = "/srv/kinds/repository"
NAMES = ("new", "moved", "right", "imported")
PREPARE = f"""
mkdir -p {REPOSITORY}
cat >/srv/kinds/packages.py <<'END'
import hashlib, os, subprocess, tempfile
paragraphs = []
for variant in {NAMES!r}:
    for name, needs in (("kinds-%s" % variant, "kinds-%s-library" % variant), ("kinds-%s-library" % variant, "")):
        control = "Package: %s\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: t\\nDescription: a test\\n" % name
        control += "Depends: %s\\n" % needs if needs else ""
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            os.mkdir(folder + "/DEBIAN")
            with open(folder + "/DEBIAN/control", "w") as file:
                file.write(control)
            path = "{REPOSITORY}/%s.deb" % name
            subprocess.run(["dpkg-deb", "-b", folder, path], check=True, stdout=subprocess.DEVNULL)
        data = open(path, "rb").read()
        digest = hashlib.sha256(data).hexdigest()
        paragraphs.append(control + "Filename: ./%s.deb\\nSize: %d\\nSHA256: %s\\n" % (name, len(data), digest))
with open("{REPOSITORY}/Packages", "w") as file:
    file.write("\\n".join(paragraphs))
END
python3 /srv/kinds/packages.py
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:{REPOSITORY} ./' >/etc/apt/sources.list.d/kinds.list
apt-get -q update
"""


def wish(variant: str) -> Inputs:
    return {"name": f"kinds-{variant}"}


def states(variant: str) -> str:
    return f"dpkg-query -W -f '${{Package}} ${{db:Status-Status}}\\n' kinds-{variant} kinds-{variant}-library"


CASES = [
    Case(
        kind="Package",
        wish=wish,
        # Nothing is installed for it: what a package recommends counts when the package is.
        changed=lambda variant: {"recommends": True},
        changing=("right",),
        holds=lambda variant, inputs: (
            f"[ \"$(dpkg-query -W -f '${{db:Status-Status}}' {inputs['name']})\" = installed ]"
        ),
        look=lambda variant: f"{states(variant)} || true; apt-mark showauto kinds-{variant} kinds-{variant}-library",
        right=lambda variant, inputs: (
            f"dpkg -i {REPOSITORY}/kinds-{variant}.deb {REPOSITORY}/kinds-{variant}-library.deb"
        ),
        drift=lambda variant: "true",
        drifted="",
        drifting=(),
        remove=lambda variant: f"dpkg --purge kinds-{variant}",
        unknown="name",
        identity=lambda variant: f"kinds-{variant}",
        prepare=PREPARE,
    )
]

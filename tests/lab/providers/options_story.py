"""The program of test_options.py, what is there before it, and what is looked at between its steps."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field

from tests.lab.project import Project
from tests.lab.providers.software import write

ANN = "backstage440"
REPOSITORY = "/srv/options-repository"
MAKE_PACKAGES = """
import hashlib, os, subprocess, sys, tempfile
paragraphs = []
of_the_other = "Provides: options-virtual\\n"
for name, version, more in (("app", "1.0-1", ""), ("app", "2.0-1", ""), ("provider", "1.0-1", of_the_other)):
    control = "Package: options-%s\\nVersion: %s\\n%s" % (name, version, more)
    control += "Architecture: all\\nMaintainer: t\\nDescription: t\\n"
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        os.mkdir(root + "/DEBIAN")
        with open(root + "/DEBIAN/control", "w") as file:
            file.write(control)
        path = "%s/options-%s_%s.deb" % (sys.argv[1], name, version)
        subprocess.run(["dpkg-deb", "-b", root, path], check=True, stdout=subprocess.DEVNULL)
    data = open(path, "rb").read()
    digest = hashlib.sha256(data).hexdigest()
    name = os.path.basename(path)
    paragraphs.append(control + "Filename: ./%s\\nSize: %d\\nSHA256: %s\\n" % (name, len(data), digest))
with open(sys.argv[1] + "/Packages", "w") as file:
    file.write("\\n".join(paragraphs))
"""
GIT = "git -c user.name=t -c user.email=t@example.org -c protocol.file.allow=always"
MAKE_REPOSITORIES = f"""
cd /srv
{GIT} init -q -b main options-part
echo part >options-part/part.txt
{GIT} -C options-part add .
{GIT} -C options-part commit -q -m part
{GIT} init -q -b main options-origin
for number in 1 2 3 4; do
    echo "$number" >options-origin/a.txt
    {GIT} -C options-origin add .
    {GIT} -C options-origin commit -q -m "$number"
done
{GIT} -C options-origin submodule --quiet add file:///srv/options-part part
{GIT} -C options-origin commit -q -m "with a part"
{GIT} -C options-origin tag v1
{GIT} -C options-origin checkout -q --detach
echo proposed >options-origin/a.txt
{GIT} -C options-origin commit -q -a -m proposed
{GIT} -C options-origin update-ref refs/pull/7/head HEAD
{GIT} -C options-origin checkout -q main
git config --system protocol.file.allow always
git config --system safe.directory '*'
"""
PAGE = "<html>\n<body>\n<p>theirs</p>\n</body>\n</html>\n"


def plan(stack: Project, *flags: str) -> dict[str, list[str]]:
    """Return which properties a preview would change, resource by resource."""
    done = stack.workspace.pulumi("preview", "--json", "--stack", stack.workspace.stack, *flags, check=False)
    steps = [each for each in json.loads(done.stdout)["steps"] if each["op"] in ("update", "create", "replace")]
    return {each["urn"].rsplit("::", 1)[-1]: each.get("diffReasons") or [] for each in steps}


# The program: line by line, what of it changes in braces.

SUDOERS = 'File("rules", host="box", path="/etc/sudoers.d/options", mode="0440", content={!r}, validate={!r})'
ACCEPT = ["visudo", "-cf", "{}"]
GOOD, BAD = "nobody ALL=(ALL) NOPASSWD: /usr/bin/true\n", "nobody ALL=(ALL NOPASSWD\n"
SERVER = (
    'Block("server", host="box", path="/etc/ssh/sshd_config", name="options", content={!r},'
    ' validate=["/usr/sbin/sshd", "-t", "-f", "{{}}"])'
)
MOUNTED = 'File({!r}, host="box", path="/etc/{}", content={!r}, in_place={!r})'
"""A container's own /etc/hosts and /etc/hostname are mounts."""
BLOCK = (
    'Block("{name}", host="box", path="/srv/page.html", name="{name}", content="<p>{name}</p>\\n",'
    ' comment="<!--", comment_end="-->", {place})'
)
BLOCKS = (BLOCK.format(name="first", place='after="<body>"'), BLOCK.format(name="last", place='before="</body>"'))
SCRIPT = (
    'wished = File("wished", host="box", path="/srv/options-wished", content={0!r})',
    'Script("rolled-out", host="box", name="rolled out", check="cmp -s /srv/options-wished /srv/options-got",'
    ' apply="cp /srv/options-wished /srv/options-got", undo="rm -f /srv/options-got", check_on=[{0!r}],'
    " opts=ResourceOptions(depends_on=[wished]))",
)
TEXTS = ("one\n", "two\n" * 100)
APP = 'Package("app", host="box", name="options-app", version={!r}, hold=True)'
CHECKOUT = (
    'GitCheckout("{name}", host="box", path="/srv/options-{name}", url="file:///srv/options-origin",'
    ' revision="{revision}", {more})'
)
CRLF = f"runuser -u {ANN} -- git -C /srv/options-crlf"
SEEN = {
    "rules": "cat /etc/sudoers.d/options",
    "server": "cat /etc/ssh/sshd_config",
    "copies": "ls -A /run/hearth",
    "hosts": "cat /etc/hosts",
    "inode": "stat -c %i /etc/hosts",
    "somewhere": "getent hosts somewhere | cut -d' ' -f1",
    "page": "cat /srv/page.html",
    "got": "cat /srv/options-got",
    "app": "dpkg-query -W -f '${Version} ${db:Status-Want}' options-app",
    "others": "dpkg-query -W options-provider options-virtual",
    "checkouts": "ls -d /srv/options-shallow /srv/options-proposed /srv/options-parts",
    "history": "git -C /srv/options-shallow rev-list --count HEAD",
    "in shallow": "ls /srv/options-shallow/part",
    "proposed": "cat /srv/options-proposed/a.txt",
    "part": "cat /srv/options-parts/part/part.txt",
    "crlf": f"{CRLF} rev-parse HEAD; od -An -c /srv/options-crlf/a.txt",
    "crlf's commit": f"{CRLF} log -1 --format=%s",
}
"""What is looked at after each step: name -> command, whose errors are of no interest."""
ASK = """
import json, subprocess, sys
seen = {}
for name, command in json.load(sys.stdin).items():
    seen[name] = subprocess.run(["sh", "-c", command], capture_output=True, text=True).stdout
print(json.dumps(seen))
"""


@dataclass
class Story:
    """What the machine was like after each step, what a preview said before it, and what the engine printed."""

    project: Project
    seen: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    plans: dict[str, dict[str, list[str]]] = field(default_factory=dict[str, dict[str, list[str]]])
    printed: dict[str, str] = field(default_factory=dict[str, str])

    def look(self, step: str) -> None:
        asked = self.project.machine.run(f"python3 -I -c {shlex.quote(ASK)}", stdin=json.dumps(SEEN))
        self.seen[step] = json.loads(asked.stdout)

    def program(self, rules: str, server: str, text: str, version: str, hosts: str, proposed: str, *more: str) -> None:
        write(
            self.project,
            "from providers.resources.host import GitCheckout",
            SUDOERS.format(rules, ACCEPT),
            SERVER.format(server),
            MOUNTED.format("hosts", "hosts", hosts, True),
            *BLOCKS,
            *(line.format(text) for line in SCRIPT),
            APP.format(version),
            CHECKOUT.format(name="shallow", revision="v1", more="depth=2"),
            CHECKOUT.format(name="proposed", revision=proposed, more='refspec="refs/pull/7/head"'),
            CHECKOUT.format(name="parts", revision="v1", more="submodules=True"),
            CHECKOUT.format(name="crlf", revision="v1", more=f"owner={ANN!r}"),
            *more,
        )

"""The options of kinds that most programs leave out, on a real machine: made, gone astray, repaired, taken back.

Whether a kind keeps its contract is tried in test_kinds.py; here it is what an option promises.
"""

from __future__ import annotations

import json

import pytest

from lab import Machine
from tests.lab.conftest import MachineFactory
from tests.lab.project import Project, about
from tests.lab.providers.software import stack, write

__all__ = ["stack"]

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


@pytest.fixture(scope="module")
def box(machine: MachineFactory) -> Machine:
    made = machine("options", image="machine-podman")
    made.run("rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*")
    made.write("/srv/make-packages.py", MAKE_PACKAGES)
    made.run(f"mkdir {REPOSITORY}; python3 /srv/make-packages.py {REPOSITORY}")
    made.write("/etc/apt/sources.list.d/options.list", f"deb [trusted=yes] file:{REPOSITORY} ./\n")
    made.run("apt-get -q update")
    made.run("sh -eu", stdin=MAKE_REPOSITORIES)
    made.write("/srv/page.html", PAGE)
    return made


def plan(stack: Project, *flags: str) -> dict[str, list[str]]:
    """Return which properties a preview would change, resource by resource."""
    done = stack.workspace.pulumi("preview", "--json", "--stack", stack.workspace.stack, *flags, check=False)
    steps = [each for each in json.loads(done.stdout)["steps"] if each["op"] in ("update", "create", "replace")]
    return {each["urn"].rsplit("::", 1)[-1]: each.get("diffReasons") or [] for each in steps}


def test_a_text_that_its_program_does_not_accept_never_gets_into_the_file(stack: Project, box: Machine):
    sudoers = 'File("rules", host="box", path="/etc/sudoers.d/options", mode="0440", content={!r}, validate={!r})'
    accept = ["visudo", "-cf", "{}"]
    good, bad = "nobody ALL=(ALL) NOPASSWD: /usr/bin/true\n", "nobody ALL=(ALL NOPASSWD\n"
    block = (
        'Block("server", host="box", path="/etc/ssh/sshd_config", name="options", content={!r},'
        ' validate=["/usr/sbin/sshd", "-t", "-f", "{{}}"])'
    )
    write(stack, sudoers.format(good, accept), block.format("X11Forwarding no\n"))
    stack.up()
    before = box.read("/etc/ssh/sshd_config")
    assert "X11Forwarding no" in before
    write(stack, sudoers.format(bad, accept), block.format("X11Forwarding perhaps\n"))
    printed = stack.failed_up("--continue-on-error")
    assert "is not accepted by `visudo -cf {}`" in about(printed, "rules")
    assert "is not accepted by `/usr/sbin/sshd -t -f {}`" in about(printed, "server")
    assert box.read("/etc/sudoers.d/options") == good
    assert box.read("/etc/ssh/sshd_config") == before
    assert box.run("ls -A /run/hearth").stdout.split() == ["locks"], "no copy of the text is left"
    stack.destroy()


def test_a_file_that_nothing_can_take_the_place_of_is_written_in_place(stack: Project, box: Machine):
    # A container's own /etc/hosts is a mount.
    before, inode = box.read("/etc/hosts"), box.run("stat -c %i /etc/hosts").stdout
    hosts = 'File("hosts", host="box", path="/etc/hosts", content={!r}, in_place={!r})'
    write(stack, hosts.format(f"{before}192.0.2.7 somewhere\n", False))
    assert "in_place" in about(stack.failed_up(), "hosts")
    write(stack, hosts.format(f"{before}192.0.2.7 somewhere\n", True))
    stack.up()
    assert box.run("getent hosts somewhere").stdout.split()[0] == "192.0.2.7"
    box.run("echo '192.0.2.8 stranger' >>/etc/hosts")
    assert plan(stack, "--refresh") == {"hosts": ["content"]}
    stack.up("--refresh")
    assert "stranger" not in box.read("/etc/hosts")
    stack.destroy()
    assert (box.read("/etc/hosts"), box.run("stat -c %i /etc/hosts").stdout) == (before, inode)


def test_a_block_stands_where_it_is_wished_in_comments_that_have_an_end(stack: Project, box: Machine):
    block = (
        'Block("{name}", host="box", path="/srv/page.html", name="{name}", content="<p>{name}</p>\\n",'
        ' comment="<!--", comment_end="-->", {place})'
    )
    first = block.format(name="first", place='after="<body>"')
    last = block.format(name="last", place='before="</body>"')
    write(stack, first, last)
    stack.up()
    lines = box.read("/srv/page.html").splitlines()
    assert "<!-- BEGIN hearth first -->" in lines
    order = ["<body>", "<p>first</p>", "<p>theirs</p>", "<p>last</p>", "</body>"]
    assert [line for line in lines if line in order] == order
    # Somebody moves one to the end of the file.
    moved = [line for line in lines if "last" not in line] + [line for line in lines if "last" in line]
    box.write("/srv/page.html", "".join(f"{line}\n" for line in moved))
    assert plan(stack, "--refresh") == {"last": ["before"]}
    stack.up("--refresh")
    assert box.read("/srv/page.html").splitlines() == lines
    write(stack, first, last, block.format(name="third", place='before="</main>"'))
    assert "has no line '</main>'" in about(stack.failed_up(), "third")
    stack.destroy()
    assert box.read("/srv/page.html") == PAGE


def test_a_script_asks_again_where_what_its_check_depends_on_has_changed(stack: Project, box: Machine):
    program = (
        'wished = File("wished", host="box", path="/srv/options-wished", content={0!r})',
        'Script("rolled-out", host="box", name="rolled out", check="cmp -s /srv/options-wished /srv/options-got",'
        ' apply="cp /srv/options-wished /srv/options-got", undo="rm -f /srv/options-got", check_on=[{0!r}],'
        " opts=ResourceOptions(depends_on=[wished]))",
    )
    for text in ("one\n", "two\n" * 100):
        write(stack, *(line.format(text) for line in program))
        assert plan(stack).keys() - {"trial-dev"} == {"wished", "rolled-out"}
        stack.up()
        assert box.read("/srv/options-got") == text
    assert plan(stack, "--refresh") == {}
    box.write("/srv/options-got", "three\n")
    assert plan(stack, "--refresh") == {"rolled-out": ["check"]}
    stack.destroy()
    assert not box.exists("/srv/options-got")


def test_a_package_keeps_the_version_that_is_wished_and_is_held(stack: Project, box: Machine):
    def installed() -> str:
        return box.run("dpkg-query -W -f '${Version} ${db:Status-Want}' options-app").stdout

    app = 'Package("app", host="box", name="options-app", version={!r}, hold=True)'
    write(stack, app.format("1.0*"))
    stack.up()
    assert installed() == "1.0-1 hold"
    box.run("apt-get -q -y upgrade")
    assert installed() == "1.0-1 hold"
    assert plan(stack, "--refresh") == {}
    box.run("apt-mark unhold options-app; apt-get -q -y install options-app")
    assert sorted(plan(stack, "--refresh")["app"]) == ["hold", "version"]
    stack.up("--refresh")
    assert installed() == "1.0-1 hold"
    write(stack, app.format("2.0-1"))
    assert plan(stack) == {"app": ["version"]}
    stack.up()
    assert installed() == "2.0-1 hold"
    write(stack, app.format("3.0"))
    assert "3.0" in about(stack.failed_up(), "app")
    assert installed() == "2.0-1 hold"
    stack.destroy()


def test_a_name_that_others_provide_is_refused_with_theirs(stack: Project, box: Machine):
    write(stack, 'Package("virtual", host="box", name="options-virtual")')
    for _ in range(2):
        said = about(stack.failed_up(), "virtual")
        assert "a name that others provide: options-provider; nothing was changed" in said
        assert "name the one that you want, as options-provider" in said
    assert box.run("dpkg-query -W 'options-*'", check=False).stdout == ""
    stack.destroy()


def test_a_checkout_has_as_much_history_as_is_wished_and_other_refs_and_submodules(stack: Project, box: Machine):
    checkout = (
        'GitCheckout("{name}", host="box", path="/srv/options-{name}", url="file:///srv/options-origin",'
        ' revision="{revision}", {more})'
    )
    head = "from providers.resources.host import GitCheckout"
    proposed = box.run("git -C /srv/options-origin rev-parse refs/pull/7/head").stdout.strip()
    write(
        stack,
        head,
        checkout.format(name="shallow", revision="v1", more="depth=2"),
        checkout.format(name="proposed", revision=proposed, more='refspec="refs/pull/7/head"'),
        checkout.format(name="parts", revision="v1", more="submodules=True"),
        checkout.format(name="crlf", revision="v1", more=f"owner={ANN!r}"),
    )
    # One that was there, of an account that has git write other ends of lines than the repository has.
    crlf = "git -C /srv/options-crlf"
    box.run(f"runuser -u {ANN} -- git config --global core.autocrlf true; install -d -o {ANN} /srv/options-crlf")
    box.run(f"runuser -u {ANN} -- {GIT} clone -q file:///srv/options-origin /srv/options-crlf")
    box.run(f"runuser -u {ANN} -- {crlf} checkout -q HEAD~1")
    there = box.run(f"runuser -u {ANN} -- {crlf} rev-parse HEAD; od -c /srv/options-crlf/a.txt").stdout
    stack.up()
    at = box.run(f"runuser -u {ANN} -- {crlf} log -1 --format=%s; od -An -c /srv/options-crlf/a.txt").stdout
    assert at.split() == ["with", "a", "part", "4", r"\r", r"\n"]
    assert box.run("git -C /srv/options-shallow rev-list --count HEAD").stdout.strip() == "2"
    assert not box.exists("/srv/options-shallow/part/part.txt")
    assert box.read("/srv/options-proposed/a.txt") == "proposed\n"
    assert box.read("/srv/options-parts/part/part.txt") == "part\n"
    box.run("git -C /srv/options-parts submodule --quiet deinit -f part")
    assert plan(stack, "--refresh") == {"parts": ["submodules"]}
    stack.up("--refresh")
    assert box.read("/srv/options-parts/part/part.txt") == "part\n"
    assert plan(stack, "--refresh") == {}
    stack.destroy()
    assert box.run("ls -d /srv/options-shallow /srv/options-proposed /srv/options-parts", check=False).stdout == ""
    assert box.run(f"runuser -u {ANN} -- {crlf} rev-parse HEAD; od -c /srv/options-crlf/a.txt").stdout == there
    box.run(f"rm -r /srv/options-crlf /home/{ANN}/.gitconfig")

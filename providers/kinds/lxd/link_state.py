"""A machine's links and files, looked at and put back; the first part of the texts that run on its own Python.

link_look.py and link_change.py come behind it in one text: see bridge.py.
"""

import base64
import json
import os
import subprocess

UNITS = "/etc/systemd/system"


def run(words):
    to_stay = own_group if words[0].startswith(("ifup", "ifdown")) else None
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, preexec_fn=to_stay
    )
    return done.returncode, done.stdout.decode(errors="replace").strip()


def own_group():
    """Move to systemd's own group of processes: a client of DHCP must outlive the unit in which it is started.

    Without that it stays in the unit, which ends without it (KillMode=process), and is listed until it goes.
    """
    with open("/proc/1/cgroup") as file:
        lines = [line.strip().split(":", 2) for line in file]
    for _, controller, path in lines:
        if controller not in ("", "name=systemd"):
            continue
        for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"):
            try:
                with open("%s%s/cgroup.procs" % (root, path.rstrip("/")), "w") as group:
                    group.write("0")
            except OSError:
                pass


def call(commands):
    """Run commands one after another, up to the first that fails; those that begin with `-` may."""
    for words in commands:
        status, text = run([word for word in words if word != "-"])
        if status != 0 and words[0] != "-":
            return "%s: %s" % (" ".join(words), text)
    return ""


def addresses(link):
    done = subprocess.run(["ip", "-j", "addr", "show", "dev", link], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = json.loads(done.stdout or b"[]") if done.returncode == 0 else []
    return [each for entry in found for each in entry.get("addr_info", [])]


def routes(link):
    found = []
    for family in ("-4", "-6"):
        done = subprocess.run(["ip", family, "route", "show", "dev", link], stdout=subprocess.PIPE)
        for line in done.stdout.decode().splitlines():
            if "proto kernel" not in line and "proto ra" not in line:
                found.append([family, line.replace(" linkdown", "").split()])
    return found


def sysctls(link):
    found = {}
    folder = "/proc/sys/net/ipv6/conf/%s" % link
    for key in ("accept_ra", "autoconf", "addr_gen_mode", "disable_ipv6", "forwarding"):
        try:
            with open("%s/%s" % (folder, key)) as file:
                found["%s/%s" % (folder, key)] = file.read().strip()
        except OSError:
            pass
    return found


def look_at(link):
    """Return all of a link that is put back: its addresses, routes and settings."""
    return {"addresses": addresses(link), "routes": routes(link), "sysctls": sysctls(link)}


def lay(files):
    """Write each file, or remove it where it has no content; in one moment each."""
    for path, each in sorted(files.items()):
        if each is None:
            if os.path.lexists(path):
                os.unlink(path)
            if path.endswith(".conf") and os.path.isdir(os.path.dirname(path)):
                # A folder of drop-ins for one file of networkd's: it came with the first of them.
                if not os.listdir(os.path.dirname(path)):
                    os.rmdir(os.path.dirname(path))
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".hearth-new", "wb") as file:
            os.fchmod(file.fileno(), int(each["mode"], 8))
            os.fchown(file.fileno(), each["uid"], each["gid"])
            file.write(base64.b64decode(each["content"]))
            file.flush()
            os.fsync(file.fileno())
        os.rename(path + ".hearth-new", path)


def read(path):
    try:
        stat = os.stat(path)
        with open(path, "rb") as file:
            content = base64.b64encode(file.read()).decode()
        return {"content": content, "mode": oct(stat.st_mode & 0o7777), "uid": stat.st_uid, "gid": stat.st_gid}
    except OSError:
        return None


def restore_link(link, found):
    """Give a link what it had where the machine's own services have not: a static address, a route, a setting."""
    for path, value in found["sysctls"].items():
        try:
            with open(path) as file:
                same = file.read().strip() == value
            if not same:
                with open(path, "w") as file:
                    file.write(value)
        except OSError:
            pass
    run(["ip", "link", "set", "dev", link, "up"])
    there = {each["local"] for each in addresses(link)}
    for each in found["addresses"]:
        if each["local"] not in there and not each.get("dynamic") and each.get("scope") != "link":
            words = ["ip", "addr", "add", "%s/%d" % (each["local"], each["prefixlen"]), "dev", link]
            run(words + (["brd", each["broadcast"]] if each.get("broadcast") else []))
    for family, words in found["routes"]:
        run(["ip", family, "route", "replace"] + words + ["dev", link])


def unfinished(units):
    for name in units:
        for path in ("%s/%s.service", "%s/%s.timer", "%s/sysinit.target.wants/%s.service"):
            try:
                os.unlink(path % (UNITS, name))
            except OSError:
                pass
    mark = UNITS + "/sysinit.target.wants/.hearth-made"
    if os.path.exists(mark) and os.listdir(os.path.dirname(mark)) == [os.path.basename(mark)]:
        os.unlink(mark)
        os.rmdir(os.path.dirname(mark))
    run(["systemctl", "daemon-reload"])

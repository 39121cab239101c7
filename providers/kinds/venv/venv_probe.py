"""Runs on a machine, as root: what a virtual environment holds, as one line of JSON.

It only reads files, and runs nothing of the environment, which another account may own. PATH, PYTHON and EDITABLE are set in
front of this text. Sources: the specifications of packaging (recording installed projects, direct URL data structure).
Standard library only, Python 3.8 or later.
"""

import glob
import json
import os
import re
import shutil
from urllib.parse import unquote, urlsplit

PATH = globals().get("PATH", "")
PYTHON = globals().get("PYTHON", "python3")
EDITABLE = globals().get("EDITABLE", "")


def text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1024 * 1024)
    except OSError:
        return ""


def header(document, name):
    found = re.search("^%s: *(.*)$" % name, document.split("\n\n", 1)[0], re.MULTILINE)
    return found.group(1).strip() if found else ""


def origin(folder):
    """Return what stands behind the name in a requirement, if it did not come from an index; and the path if editable.
    """
    try:
        data = json.loads(text(os.path.join(folder, "direct_url.json")))
        url = data["url"]
    except (ValueError, KeyError, TypeError):
        return "", ""
    if data.get("dir_info", {}).get("editable"):
        path = unquote(urlsplit(url).path)
        return path, path
    control = data.get("vcs_info")
    if control:
        url = "%s+%s@%s" % (control.get("vcs"), url, control.get("commit_id"))
    return url, ""


def packages(site):
    for folder in sorted(glob.glob(os.path.join(glob.escape(site), "*.dist-info"))):
        document = text(os.path.join(folder, "METADATA"))
        url, editable = origin(folder)
        yield {
            "name": header(document, "Name"),
            "version": header(document, "Version"),
            "url": url,
            "editable": editable,
            "requested": os.path.exists(os.path.join(folder, "REQUESTED")),
        }
    for link in sorted(glob.glob(os.path.join(glob.escape(site), "*.egg-link"))):
        path = text(link).split("\n")[0].strip()
        name = os.path.basename(link)[: -len(".egg-link")]
        yield {"name": name, "version": "", "url": path, "editable": path, "requested": True}


def main():
    interpreter = os.path.realpath(os.path.join(PATH, "bin", "python"))
    wished = shutil.which(PYTHON)
    sites = sorted(glob.glob(os.path.join(glob.escape(PATH), "lib", "python*", "site-packages")))
    number = re.search(r"python(\d+\.\d+)$", interpreter)
    if number:
        # After an upgrade of the machine's Python the folder is that of the old one, and nothing in it is found.
        sites = [site for site in sites if site.split("/")[-2] == number.group(0)]
    found = {
        "present": os.path.isfile(os.path.join(PATH, "pyvenv.cfg")),
        "interpreter": interpreter if os.path.exists(interpreter) else "",
        "wished": os.path.realpath(wished) if wished else "",
        "sites": len(sites),
        "packages": [each for site in sites for each in packages(site) if each["name"]],
    }
    found["editable"] = os.path.realpath(EDITABLE) if EDITABLE else ""
    found["editables"] = [os.path.realpath(each["editable"]) for each in found["packages"] if each["editable"]]
    print(json.dumps(found))


main()

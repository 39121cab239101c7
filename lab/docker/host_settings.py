"""What lab images take over from this machine so that apt, pip and git work in them: mirror, proxy, authorities.

No mirror's name is written down in the project: the ones that this machine uses are read from its own apt settings.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.DOTALL)
# Which of apt's settings are about reaching a mirror, as against about this machine's own packages.
_APT_SETTING = re.compile(r"^Acquire::((https?|ftp)::|Check-|AllowInsecure|Retries|ForceIPv)")
# The settings of npm that are about reaching a registry; credentials are never among them.
_NPM_SETTINGS = {
    "cafile",
    "https-proxy",
    "noproxy",
    "omit-lockfile-registry-resolved",
    "proxy",
    "registry",
    "strict-ssl",
}
_NPM_FILES = ("/etc/npmrc", "/usr/etc/npmrc", "/usr/local/etc/npmrc", "~/.npmrc")
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Mirrors:
    """Where this machine gets Debian from; None where it is not Debian or says nothing."""

    main: str | None = None
    security: str | None = None


@dataclass(frozen=True)
class HostSettings:
    """Everything that is taken over. Its digest is part of each image's name: other settings, other images."""

    mirrors: Mirrors = field(default_factory=Mirrors)
    apt_lines: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    pip_conf: str = ""
    proxies: tuple[tuple[str, str], ...] = ()
    # Only for images with npm in them, so it is no part of what names the others.
    npmrc: str = field(default="", repr=False)

    def digest(self) -> str:
        """Return a hash of all of it but npm's settings."""
        return hashlib.sha256(repr(self).encode()).hexdigest()

    def files(self, release: str) -> dict[str, str]:
        """Return the files, by path below the image's root, that carry these settings for a Debian release."""
        heading = "// Taken over from the machine that made this image.\n"
        files = {"etc/apt/apt.conf.d/90lab-host": heading + "".join(f"{line}\n" for line in self.apt_lines)}
        sources = sources_list(self.mirrors, release)
        if sources:
            files["etc/apt/sources.list"] = sources
            # The public image has its own list here, which would be asked as well.
            files["etc/apt/sources.list.d/debian.sources"] = "# The lab's sources are in /etc/apt/sources.list.\n"
        for number, certificate in enumerate(self.certificates):
            files[f"usr/local/share/ca-certificates/hearth-lab-{number}.crt"] = certificate + "\n"
        if self.pip_conf:
            files["etc/pip.conf"] = self.pip_conf
        if self.proxies:
            files["etc/environment"] = "".join(f'{name}="{value}"\n' for name, value in self.proxies)
        return files


def parse_sources(text: str) -> list[tuple[str, list[str]]]:
    """Return (URI, suites) of each binary source in apt's one-line or deb822 form (sources.list(5))."""
    found: list[tuple[str, list[str]]] = []
    if re.search(r"^Types:", text, re.MULTILINE):
        for stanza in re.split(r"\n\s*\n", text):
            fields: dict[str, str] = {}
            key = ""
            for line in stanza.splitlines():
                if line.startswith("#"):
                    continue
                if line[:1].isspace():
                    fields[key] = f"{fields.get(key, '')} {line.strip()}"
                elif ":" in line:
                    key, _, value = line.partition(":")
                    key = key.lower()
                    fields[key] = value.strip()
            if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() != "no":
                found += [(uri, fields.get("suites", "").split()) for uri in fields.get("uris", "").split()]
        return found
    for line in text.splitlines():
        words = re.sub(r"\[[^\]]*\]", " ", line.partition("#")[0]).split()
        if len(words) >= 3 and words[0] == "deb":
            found.append((words[1], [words[2]]))
    return found


def debian_mirrors(texts: list[str], codename: str) -> Mirrors:
    """Return the mirrors that serve `codename` (this machine's own release), from the texts of its source lists."""
    sources = [entry for text in texts for entry in parse_sources(text) if entry[0].startswith(("http:", "https:"))]
    main = next((uri.rstrip("/") for uri, suites in sources if codename in suites), None)
    security = next((uri.rstrip("/") for uri, suites in sources if f"{codename}-security" in suites), None)
    return Mirrors(main, security)


def sources_list(mirrors: Mirrors, release: str) -> str:
    """Return sources.list for a release, or nothing where no mirror is known (the image's own list then stays)."""
    if mirrors.main is None:
        return ""
    lines = [f"deb {mirrors.main} {release} main", f"deb {mirrors.main} {release}-updates main"]
    if mirrors.security is not None:
        lines.append(f"deb {mirrors.security} {release}-security main")
    return "".join(f"{line}\n" for line in lines)


def extra_certificates(bundle: str, packaged: list[str]) -> tuple[str, ...]:
    """Return the authorities that this machine trusts beyond those of the ca-certificates package."""
    known = {"".join(match.group().split()) for text in packaged for match in _CERTIFICATE.finditer(text)}
    unique: dict[str, str] = {}
    for match in _CERTIFICATE.finditer(bundle):
        unique.setdefault("".join(match.group().split()), match.group())
    return tuple(text for squeezed, text in unique.items() if squeezed not in known)


def os_release(path: Path = Path("/etc/os-release")) -> dict[str, str]:
    """Return the fields of os-release(5), empty where the file is missing."""
    if not path.exists():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines() if "=" in line)
    return {key: value.strip().strip("\"'") for key, _, value in pairs}


def read_host_settings() -> HostSettings:
    """Read this machine's settings. Changes nothing; where something is missing, it is left out."""
    release = os_release()
    mirrors = Mirrors()
    if release.get("ID") == "debian":
        lists = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
        texts = [path.read_text() for path in lists if path.is_file() and path.suffix in {".list", ".sources"}]
        mirrors = debian_mirrors(texts, release.get("VERSION_CODENAME", ""))
    apt_lines: tuple[str, ...] = ()
    if shutil.which("apt-config"):
        dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
        apt_lines = tuple(line for line in dump.splitlines() if _APT_SETTING.match(line) and ' "";' not in line)
    packaged = [path.read_text(errors="replace") for path in Path("/usr/share/ca-certificates").rglob("*.crt")]
    certificates: tuple[str, ...] = ()
    if BUNDLE.exists() and packaged:
        certificates = extra_certificates(BUNDLE.read_text(errors="replace"), packaged)
    pip_conf = Path("/etc/pip.conf")
    proxies = tuple((name, os.environ[name]) for name in _PROXY_VARIABLES if os.environ.get(name))
    pip_text = pip_conf.read_text() if pip_conf.exists() else ""
    files = [Path(name).expanduser() for name in _NPM_FILES]
    npmrc = npm_settings([path.read_text() for path in files if path.is_file()], dict(os.environ))
    return HostSettings(mirrors, apt_lines, certificates, pip_text, proxies, npmrc)


def npm_settings(texts: list[str], environment: dict[str, str]) -> str:
    """Return an npmrc of what says how to reach a registry: the later text wins, and the environment over all."""
    found: dict[str, str] = {}
    for line in "\n".join(texts).splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        if equals and key in _NPM_SETTINGS:
            found[key] = value
    for key in _NPM_SETTINGS:
        name = f"npm_config_{key.replace('-', '_')}"
        if value := environment.get(name) or environment.get(name.upper()):
            found[key] = value
    # A user and a password in an address are credentials too.
    return "".join(f"{key}={value}\n" for key, value in sorted(found.items()) if "@" not in value)


def as_tar(folder: Path, extra: dict[str, str]) -> bytes:
    """Return a tar of a recipe's folder with extra text files added: the context of a build, sent on stdin."""
    stream = io.BytesIO()
    # Docker takes a context that begins with an extended header for a bare Dockerfile: the plain old format.
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            archive.add(path, arcname=str(path.relative_to(folder)), recursive=False, filter=_as_root)
        for name, text in sorted(extra.items()):
            data = text.encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = 0
    # The clone's umask must not reach the images.
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member

"""Builds what the lab's Kubernetes cluster runs from Go modules, with the lock files of kubernetes/, and keeps it.

Go checks every module against go.sum and the public checksum database. Standard library only.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain.builds import kept_build, key_of
from toolchain.errors import UnavailableError
from toolchain.locks import exclusive
from toolchain.pulumi.gobuild import last_lines, ready_go, run_visibly
from toolchain.versions import ROOT, cache_folder, go_floor

if TYPE_CHECKING:
    from collections.abc import Callable

# renovate: datasource=go depName=k8s.io/kubernetes
KUBERNETES = "1.36.3"
# renovate: datasource=go depName=helm.sh/helm/v3
HELM = "3.22.0"
# renovate: datasource=go depName=github.com/coredns/coredns
COREDNS = "1.15.0"
# renovate: datasource=go depName=github.com/cloudnativelabs/kube-router
KUBE_ROUTER = "1.5.1"
# renovate: datasource=go depName=github.com/traefik/traefik/v3
TRAEFIK = "3.5.0"
# renovate: datasource=go depName=sigs.k8s.io/gateway-api
GATEWAY_API = "1.3.0"

SOURCE = ROOT / "lab" / "kubernetes" / "modules"
KUBERNETES_PARTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
PACKAGES = [f"k8s.io/kubernetes/cmd/{part}" for part in KUBERNETES_PARTS] + [
    "helm.sh/helm/v3/cmd/helm",
    "./coredns",
    "./kube-router",
]
TRAEFIK_PACKAGE = "github.com/traefik/traefik/v3/cmd/traefik"
PROGRAMS = (*KUBERNETES_PARTS, "helm", "coredns", "kube-router", "traefik")
GATEWAY_FILE = "gateway-api.yaml"

_MAJOR, _MINOR, _ = KUBERNETES.split(".")
# What upstream's own builds set, so that each program tells its version (hack/lib/version.sh; helm's Makefile).
_SETTINGS = {
    "k8s.io/component-base/version.gitVersion": f"v{KUBERNETES}",
    "k8s.io/component-base/version.gitMajor": _MAJOR,
    "k8s.io/component-base/version.gitMinor": _MINOR,
    "k8s.io/component-base/version.gitTreeState": "clean",
    "k8s.io/client-go/pkg/version.gitVersion": f"v{KUBERNETES}",
    "helm.sh/helm/v3/internal/version.version": f"v{HELM}",
    "helm.sh/helm/v3/internal/version.metadata": "",
    "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor": _MAJOR,
    "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor": _MINOR,
    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor": _MAJOR,
    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": _MINOR,
    "github.com/traefik/traefik/v3/pkg/version.Version": TRAEFIK,
}
LINKER_FLAGS = " ".join(["-s -w", *(f"-X {name}={value}" for name, value in _SETTINGS.items())])

# The dashboard's pages are no part of Traefik's module, and Go can't embed a folder that is not there. The clients of a
# hundred DNS hosts, with which certificates can be asked for, are a third of what would be compiled; see docs/lab.md.
TRAEFIK_CHANGES = {
    "index.html": "traefik/webui/static/index.html",
    "dns_providers.go": "lego/providers/dns/zz_gen_dns_providers.go",
}
TRAEFIK_COPIES = {"traefik": "github.com/traefik/traefik/v3", "lego": "github.com/go-acme/lego/v4"}


def build_key() -> str:
    """Name a build by what goes into it, so that a changed pin or flag builds anew."""
    return key_of(SOURCE, LINKER_FLAGS)


def build_folder() -> Path:
    """Return where this very build is kept."""
    return cache_folder() / f"kubernetes-{KUBERNETES}-{build_key()}"


def built() -> Path | None:
    """Return the folder of the programs, if they are there."""
    folder = build_folder()
    whole = (folder / GATEWAY_FILE).is_file() and all(os.access(folder / name, os.X_OK) for name in PROGRAMS)
    return folder if whole else None


def build(say: Callable[[str], None]) -> Path:
    """Build all of it: 12 to 20 minutes on two cores, once per pin. Either it is whole afterwards or not there.

    A build that was cut short goes on where it was: Go keeps what it has compiled. Raises UnavailableError.
    """
    cache_folder().mkdir(parents=True, exist_ok=True)
    with exclusive(cache_folder() / "kubernetes.lock", say):
        if (folder := built()) is not None:
            return folder
        begun = time.monotonic()
        go, environment = ready_go(say, go_floor(SOURCE / "go.mod"))
        say(
            f"building Kubernetes {KUBERNETES}, Helm, CoreDNS, kube-router and Traefik with {go}: some 15 minutes, once"
        )
        with kept_build(build_folder(), "kubernetes-build") as (work, out):
            shutil.copytree(SOURCE, work, dirs_exist_ok=True)
            compile_programs(go, work, out, PACKAGES, LINKER_FLAGS, environment, say)
            say(
                f"Kubernetes, Helm, CoreDNS and kube-router: built in {time.monotonic() - begun:.0f} s; Traefik follows"
            )
            traefik = work / "traefik"
            _copy_traefik(go, traefik, environment)
            compile_programs(go, traefik, out, [TRAEFIK_PACKAGE], LINKER_FLAGS, environment, say)
            (out / GATEWAY_FILE).write_text(_gateway_definitions(go, traefik, environment))
        say(f"Kubernetes and the rest: built in {time.monotonic() - begun:.0f} s, kept in {build_folder()}")
        return build_folder()


def compile_programs(
    go: str,
    folder: Path,
    out: Path,
    packages: list[str],
    linker_flags: str,
    environment: dict[str, str],
    say: Callable[[str], None],
) -> None:
    """Compiles programs of a module into `out`: a folder, or for one of them the file. Raises UnavailableError."""
    # Listing fetches the modules; the count lets the user see how far the compiler is.
    listed = go_output([go, "list", "-deps", *packages], folder, environment).split()
    say(f"the modules are here; {len(listed)} packages to compile")
    command = [go, "build", "-v", "-trimpath", "-ldflags", linker_flags, "-o", str(out), *packages]
    run_visibly(command, folder, environment, say, len(listed))


def _copy_traefik(go: str, folder: Path, environment: dict[str, str]) -> None:
    """Copy two modules, fetched and checked by Go, beside Traefik's go.mod, and make the two changes."""
    fetched = go_output([go, "mod", "download", "-json", *TRAEFIK_COPIES.values()], folder / "sources", environment)
    decoder, places = json.JSONDecoder(), dict[str, str]()
    while fetched := fetched.lstrip():
        entry, end = decoder.raw_decode(fetched)
        places[entry["Path"]], fetched = entry["Dir"], fetched[end:]
    for name, module in TRAEFIK_COPIES.items():
        ignored = shutil.ignore_patterns("docs", "integration", "*_test.go")
        # Without the modes: Go's cache is read-only.
        shutil.copytree(places[module], folder / name, ignore=ignored, copy_function=shutil.copyfile)
        for path in [folder / name, *(folder / name).rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
    for name, target in TRAEFIK_CHANGES.items():
        path = folder / target
        path.parent.mkdir(exist_ok=True)
        shutil.copyfile(folder / "changes" / name, path)


def _gateway_definitions(go: str, folder: Path, environment: dict[str, str]) -> str:
    """Return the definitions of the Gateway API's standard channel, at the release that Traefik is built with."""
    place = go_output([go, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api"], folder, environment).strip()
    files = sorted((Path(place) / "config" / "crd" / "standard").glob("*.yaml"))
    return "---\n".join(path.read_text() for path in files)


def go_output(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Return what a command of Go prints, run in a module's folder. Raises UnavailableError."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = " ".join(command[:4])
        raise UnavailableError(f"`{words} ...` ended with {done.returncode}: {last_lines(done.stderr or done.stdout)}")
    return done.stdout

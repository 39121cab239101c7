"""Makes the lab's images where they are missing. They are shared by all labs of this machine and kept between runs."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from lab.docker import cli, recipes
from lab.docker.host_settings import as_tar, read_host_settings
from lab.errors import EngineError, LabError
from lab.locks import machine_lock
from lab.names import LABEL_DIGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PULL_SECONDS = 90
DEBOOTSTRAP_SECONDS = 900
BUILD_SECONDS = 3600


def purge_images(say: Callable[[str], None]) -> None:
    """Remove the lab's images from this machine, but for those that somebody's container is made from."""
    tags = cli.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"{recipes.REPOSITORY}/*").stdout.split()
    kept = [tag for tag in tags if not cli.docker("rmi", tag, check=False).ok]
    say(f"removed {len(tags) - len(kept)} images" + (f"; in use elsewhere: {', '.join(kept)}" if kept else ""))


class Images:
    """The images of this machine's lab, made when first asked for; safe to use from several threads."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._host = read_host_settings()
        self._host_digest = self._host.digest()
        self._guard = threading.Lock()
        self._made: dict[str, Future[str]] = {}
        self._can_pull: bool | None = None

    def tag(self, name: str) -> str:
        """Return the tag that the image has, or will have when it is made."""
        return recipes.tag(name, self._host_digest, self._host.npmrc)

    def ensure(self, name: str) -> str:
        """Return the image's tag, having made the image and its parents if they were missing."""
        with self._guard:
            future = self._made.get(name)
            mine = future is None
            if future is None:
                future = self._made[name] = Future()
        if mine:
            try:
                future.set_result(self._ensure(name))
            except BaseException as error:  # noqa: BLE001 - handed on to whoever waits for the same image
                with self._guard:
                    del self._made[name]
                future.set_exception(error)
        return future.result()

    def ensure_all(self, names: Iterable[str]) -> list[str]:
        """Make several images, two at a time: making one is bound by the processor."""
        with ThreadPoolExecutor(2, thread_name_prefix="lab-images") as pool:
            return list(pool.map(self.ensure, names))

    def _ensure(self, name: str) -> str:
        recipe = recipes.recipe(name)
        tag = self.tag(name)
        if cli.inspect("image", tag) is not None:
            return tag
        parent = self.ensure(recipe.parent) if recipe.parent is not None else None
        with machine_lock(f"image-{tag}"):
            if cli.inspect("image", tag) is not None:
                return tag
            started = time.monotonic()
            if parent is None:
                how = self._make_release(recipe.release, tag)
            else:
                how = "built"
                self._say(f"image {name}: building")
                self._build(recipe, parent, tag)
            self._say(f"image {name}: {how} in {time.monotonic() - started:.0f} s")
        return tag

    def _build(self, recipe: recipes.Recipe, parent: str, tag: str) -> None:
        files = {f"host/{path}": text for path, text in self._host.files(recipe.release).items()}
        if recipe.npm:
            files["host/usr/local/etc/npmrc"] = self._host.npmrc
        context = as_tar(recipe.folder, files)
        label = f"{LABEL_DIGEST}={tag.rpartition(':')[2]}"
        # The classic builder is in every version of Docker and needs no plugin.
        command = ["env", "DOCKER_BUILDKIT=0", "docker", "build", "--rm", "--force-rm", "--tag", tag, "--label", label]
        for key, value in (("PARENT", parent), *recipe.arguments):
            command += ["--build-arg", f"{key}={value}"]
        cli.run([*command, "-"], stdin=context, timeout=BUILD_SECONDS)

    def _make_release(self, release: str, tag: str) -> str:
        public = f"debian:{release}-slim"
        if cli.inspect("image", public) is not None:
            # Somebody else's copy: used, and left where it is.
            cli.docker("tag", public, tag)
            return "taken from this machine's images"
        if self._can_pull is not False:
            self._say(f"image debian-{release}: asking the public registry")
            try:
                cli.docker("pull", "--quiet", public, timeout=PULL_SECONDS)
            except EngineError:
                self._can_pull = False
            else:
                self._can_pull = True
                cli.docker("tag", public, tag)
                cli.docker("rmi", "--no-prune", public)
                return "pulled"
        self._debootstrap(release, tag)
        return "made with debootstrap"

    def _debootstrap(self, release: str, tag: str) -> None:
        program = shutil.which("debootstrap", path="/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin")
        if program is None:
            raise LabError(
                f"The image debian:{release}-slim can't be pulled and debootstrap is not on this machine, so there is "
                "nothing to make machines from. Run `apt-get install debootstrap` as root, then try again."
            )
        self._say(f"image debian-{release}: no public registry answers, making it with debootstrap")
        folder = tempfile.mkdtemp(prefix="hearth-lab-", dir="/var/tmp")
        try:
            mirror = [self._host.mirrors.main] if self._host.mirrors.main is not None else []
            # gpgv and the keyring come with debootstrap; --cache-dir would keep files on this machine.
            command = [program, "--variant=minbase", release, f"{folder}/root", *mirror]
            cli.run(command, timeout=DEBOOTSTRAP_SECONDS)
            shutil.rmtree(f"{folder}/root/var/cache/apt/archives", ignore_errors=True)
            label = f"LABEL hearth.lab.image=debian-{release}"
            script = 'tar -C "$1" -c . | docker import --change "$2" - "$3"'
            cli.run(["sh", "-c", script, "sh", f"{folder}/root", label, tag], timeout=BUILD_SECONDS)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

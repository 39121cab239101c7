"""maubot on Debian: pinned in an environment of its own, under a hardened unit, with its timers."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import pulumi
from pulumi import Input, Output, ResourceOptions

from components.maubot import units
from components.maubot.config_file import HOME, INSTANCE_DATABASES, PLUGINS, config_text
from components.maubot.secrets import password_hash, session_key
from components.system import SystemArgs
from config.systems.maubot import Maubot
from providers.kinds.matrix.common import CONFIG_FILE
from providers.resources.host import Directory, File, Package, Script, Unit, User, Venv


class DebianMaubot:
    """The service and what watches it. `ready` is what a user of its API has to wait for."""

    def __init__(self, name: str, args: SystemArgs[Maubot], parent: pulumi.Resource) -> None:
        self._name, self._settings, self._args, self._parent = name, args.settings, args, parent
        venv = self._environment()
        folders = self._folders()
        config, key = self._configuration(folders)
        programs = self._programs(folders)
        begun = self._begin(folders, config, programs)
        self.ready: Sequence[pulumi.Resource] = [self._service(venv, [*folders, *begun], config, key, programs)]
        watchers: list[pulumi.Resource] = [*self.ready, *programs, *self._figures()]
        for unit, text in units.health_units(self._settings).items():
            watchers.append(self._watcher(unit, text, watchers))  # a timer wants its service there
        if self._settings.backup.enabled:
            self._backup(programs)

    def _options(self, *after: pulumi.Resource, protect: bool | None = None) -> ResourceOptions:
        return ResourceOptions(parent=self._parent, depends_on=list(after), protect=protect or None)

    def _environment(self) -> Venv:
        settings = self._settings
        wanted = ["python3-venv", *settings.packages]
        if settings.database == "postgresql":
            wanted.append("postgresql-client")
        packages = [
            Package(f"{self._name}-package-{package}", host=settings.host, name=package, opts=self._options())
            for package in dict.fromkeys(wanted)
        ]
        return Venv(
            f"{self._name}-venv",
            host=settings.host,
            path=units.VENV,
            requirements=[f"maubot=={settings.version}", *settings.python_packages],
            opts=ResourceOptions(
                parent=self._parent, depends_on=packages, custom_timeouts=pulumi.CustomTimeouts(create="15m")
            ),
        )

    def _folders(self) -> list[pulumi.Resource]:
        settings, name = self._settings, self._name
        account = User(
            f"{name}-user",
            host=settings.host,
            name=units.ACCOUNT,
            system=True,
            home=HOME,
            home_mode="0750",
            shell="/usr/sbin/nologin",
            remove_home=settings.data == "remove",
            opts=self._options(protect=settings.protect_data),
        )
        made: list[pulumi.Resource] = [account]
        for role, path, owner, group, mode in (
            ("config-folder", f"{HOME}/config", "root", units.ACCOUNT, "0750"),
            ("plugins-folder", PLUGINS, units.ACCOUNT, units.ACCOUNT, "0750"),
            ("dbs-folder", INSTANCE_DATABASES, units.ACCOUNT, units.ACCOUNT, "0750"),
            ("etc", units.ETC, "root", "root", "0755"),
            ("programs", units.HEALTH_PROGRAM.rpartition("/")[0], "root", "root", "0755"),
        ):
            made.append(
                Directory(
                    f"{name}-{role}",
                    host=settings.host,
                    path=path,
                    mode=mode,
                    owner=owner,
                    group=group,
                    purge=path.startswith(HOME) and settings.data == "remove",
                    opts=self._options(account),
                )
            )
        # systemd makes it for the health unit; here, so that destroy knows of it.
        made.append(
            Directory(
                f"{name}-health-folder",
                host=settings.host,
                path=units.HEALTH_FOLDER,
                mode="0755",
                owner=units.ACCOUNT,
                group=units.ACCOUNT,
                purge=True,
                opts=self._options(account),
            )
        )
        made.append(
            Directory(
                f"{name}-restart-folder",
                host=settings.host,
                path=f"{units.HEALTH_FOLDER}-restart",
                mode="0755",
                purge=True,
                opts=self._options(),
            )
        )
        return made

    def _configuration(self, folders: Sequence[pulumi.Resource]) -> tuple[File, File]:
        """Return the configuration and the key, as files that root alone reads: systemd hands them to the service."""
        settings, secrets = self._settings, self._args.secrets
        given = Output.all(
            password=secrets["maubot-admin-password"],
            key=secrets["maubot-secret-key"],
            url=secrets.get("maubot-database-url", ""),
        )

        def session(found: dict[str, str]) -> str:
            return session_key(found["key"], found["password"]) if found["key"] else ""

        def text(found: dict[str, str]) -> str:
            key = session(found)  # empty in a preview without secrets
            hashed = password_hash(found["password"], found["key"], settings.admin) if key else ""
            url = found["url"] if settings.database == "postgresql" else None
            return config_text(settings, hashed, key, url)

        config = self._file("config", CONFIG_FILE, Output.secret(given.apply(text)), "0600", folders)
        key = self._file("key", units.KEY_FILE, Output.secret(given.apply(session)), "0400", folders)
        return config, key

    def _file(self, role: str, path: str, content: Input[str], mode: str, after: Sequence[pulumi.Resource]) -> File:
        return File(
            f"{self._name}-{role}",
            host=self._settings.host,
            path=path,
            content=content,
            mode=mode,
            opts=self._options(*after),
        )

    def _programs(self, folders: Sequence[pulumi.Resource]) -> list[File]:
        health = (units.PROGRAMS / "health.py").read_text()
        backup = (units.PROGRAMS / "backup.py").read_text()
        return [
            self._file("told", units.TOLD, units.told(self._settings), "0644", folders),
            self._file("health-program", units.HEALTH_PROGRAM, health, "0644", folders),
            self._file("backup-program", units.BACKUP_PROGRAM, backup, "0644", folders),
        ]

    def _service(
        self, venv: Venv, folders: Sequence[pulumi.Resource], config: File, key: File, programs: Sequence[File]
    ) -> Unit:
        settings = self._settings
        return Unit(
            f"{self._name}-service",
            host=settings.host,
            name="maubot.service",
            text=units.service(settings),
            enabled=True,
            running=True,
            restart_on=Output.secret(
                Output.all(config.content, venv.requirements).apply(lambda found: [found[0], *found[1]])
            ),
            start_timeout=settings.start_timeout,
            opts=self._options(venv, *folders, config, key, *programs),
        )

    def _begin(
        self, folders: Sequence[pulumi.Resource], config: File, programs: Sequence[pulumi.Resource]
    ) -> list[pulumi.Resource]:
        """Return the databases of a backup, where the settings name one and maubot has none yet: before it starts."""
        settings = self._settings
        source = settings.backup.restore_from
        if source is None:
            return []
        program = f"/usr/bin/python3 -I {units.BACKUP_PROGRAM}"
        return [
            Script(
                f"{self._name}-begun",
                host=settings.host,
                name="maubot-restored",
                apply=f"{program} begin {units.TOLD} {shlex.quote(str(source))}\n",
                check=f"{program} begun {units.TOLD}\n",
                opts=self._options(*folders, config, *programs),
            )
        ]

    def _figures(self) -> list[Script]:
        """Make the file of the figures, so that destroy takes it along: the folder is somebody else's."""
        settings = self._settings
        if not settings.health.metrics_folder:
            return []
        path = shlex.quote(units.figures(settings))
        return [
            Script(
                f"{self._name}-figures",
                host=settings.host,
                name="maubot-figures",
                check=f"test -e {path}\n",
                apply=f": >{path} && chmod 0644 {path}\n",
                undo=f"rm -f {path}\n",
                opts=self._options(),
            )
        ]

    def _watcher(self, unit: str, text: str, after: Sequence[pulumi.Resource]) -> Unit:
        timer = unit.endswith(".timer")
        return Unit(
            f"{self._name}-{unit.removeprefix('maubot-').replace('.', '-')}",
            host=self._settings.host,
            name=unit,
            text=text,
            enabled=True if timer else None,
            running=True if timer else None,
            opts=self._options(*after),
        )

    def _backup(self, programs: Sequence[pulumi.Resource]) -> None:
        settings = self._settings
        folder = Directory(
            f"{self._name}-backup-folder",
            host=settings.host,
            path=str(settings.backup.folder),
            mode="0700",
            purge=settings.data == "remove",
            opts=self._options(protect=settings.protect_data),
        )
        before: list[pulumi.Resource] = [folder, *programs]
        for unit, text in units.backup_units(settings).items():
            before.append(self._watcher(unit, text, before))

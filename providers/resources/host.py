"""Typed resources of the provider `hearth`. Made by `python -m providers.generate`: not to edit."""

# ruff: noqa: E501
# Annotations are types and no texts: the SDK evaluates them anew for each resource that a program declares.
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import Input, Output, ResourceOptions


class File(pulumi.CustomResource):
    """A file on a machine: its text, mode, owner and group.

    Manages one regular file, whole. Does not make the folder it lies in (see `Directory`), and does not share the file
    with others (see `Block`). A new text comes by a new file in the old one's place, which gets what that had beside mode
    and owner: access control list, extended attributes, capabilities, label, flags. A link or a file that was there before
    is put back on destroy, byte for byte.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    path: Output[str]
    """Where the file is. A change replaces the resource."""
    content: Output[str]
    """The whole text, in UTF-8. Give a secret and it stays one everywhere."""
    mode: Output[str | None]
    """Permission bits, as four octal digits. Left out, a new one gets `0644`, and one that is there keeps its own."""
    owner: Output[str | None]
    """Name or number of the user who owns it. Left out, a new one gets `root`, and one that is there keeps its own."""
    group: Output[str | None]
    """Name or number of the group that owns it. Left out, a new one gets `root`, and one that is there keeps its own."""
    validate: Output[Sequence[str] | None]
    """A command that must accept the new text before it replaces the old: a program and its arguments, with '{}' for the path of a copy, as ['sshd', '-t', '-f', '{}']. No shell."""
    in_place: Output[bool]
    """Whether the text goes into the file that is there, and no new one takes its place: for a file that is a mount of its own, as /etc/hosts in a container. Who reads it the while sees a part of it."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        path: Input[str],
        content: Input[str],
        mode: Input[str] | None = None,
        owner: Input[str] | None = None,
        group: Input[str] | None = None,
        validate: Input[Sequence[Input[str]]] | None = None,
        in_place: Input[bool] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "path": path,
            "content": content,
            "mode": mode,
            "owner": owner,
            "group": group,
            "validate": validate,
            "in_place": in_place,
            "machine": None,
        }
        super().__init__("hearth:host:File", resource_name, properties, opts)

    def translate_output_property(self, prop: str) -> str:
        return {"inPlace": "in_place"}.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        return {"in_place": "inPlace"}.get(prop, prop)


class Directory(pulumi.CustomResource):
    """A directory on a machine: that it is there, and its mode, owner and group.

    Manages the directory itself, not what lies in it, and not its parents. On destroy a directory that was not there
    before is removed if it is empty by then; with `purge`, with everything in it. One that was there gets its attributes
    back. A mount point is never emptied.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    path: Output[str]
    """Where it is. Its parent must exist. A change replaces it."""
    mode: Output[str | None]
    """Permission bits, as four octal digits. Left out, a new one gets `0755`, and one that is there keeps its own."""
    owner: Output[str | None]
    """Name or number of the user who owns it. Left out, a new one gets `root`, and one that is there keeps its own."""
    group: Output[str | None]
    """Name or number of the group that owns it. Left out, a new one gets `root`, and one that is there keeps its own."""
    purge: Output[bool]
    """Whether destroy removes it with everything in it, where it was not there before."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        path: Input[str],
        mode: Input[str] | None = None,
        owner: Input[str] | None = None,
        group: Input[str] | None = None,
        purge: Input[bool] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "path": path,
            "mode": mode,
            "owner": owner,
            "group": group,
            "purge": purge,
            "machine": None,
        }
        super().__init__("hearth:host:Directory", resource_name, properties, opts)


class Tree(pulumi.CustomResource):
    """A folder of files from the project on a machine: what is in it, with mode and owner by pattern.

    Manages the files and links that the project's folder has, and the folders that they lie in; text or not, and each for
    itself in diffs, in drift and on destroy. Does not make the folders above, and leaves alone what else is there, unless
    it is `exact`. Empty folders are none of it, as git keeps none. A file that was there before comes back byte for byte,
    with all that belongs to it; its very file is kept the while, where the file system allows it.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    path: Output[str]
    """The folder on the machine. Its parent must exist. A change replaces it."""
    source: Output[str]
    """The folder in the project, from that of Pulumi.yaml on."""
    name: Output[str]
    """Tells Trees at one path apart, as two in /etc. A change replaces the Tree."""
    mode: Output[str | None]
    """Permission bits of the files. Left out, a new one gets `0644`, or `0755` where it may be run in the project, and one that is there keeps its own."""
    folder_mode: Output[str | None]
    """Permission bits of the folders. Left out, a new one gets `0755`, and one that is there keeps its own."""
    owner: Output[str | None]
    """Name or number of the user who owns all of it. Left out, what is new gets `root`, and what is there keeps its own."""
    group: Output[str | None]
    """Name or number of the group that owns all of it. Left out, what is new gets `root`, and what is there keeps its own."""
    rules: Output[Sequence[Mapping[str, str]] | None]
    """Mode, owner and group of what a pattern matches, as {'pattern': '*.key', 'mode': '0600'}. Of several that match, the last one that speaks of a property decides it. Patterns are those of .gitignore; a folder gets a mode only by one that ends with a slash, './' is the tree's own."""
    exclude: Output[Sequence[str] | None]
    """Patterns of what is neither brought nor, on the machine, a stranger; as in .gitignore."""
    exact: Output[bool]
    """Whether what the source does not have is drift. It is moved out of the way then, and comes back on destroy."""
    files: Output[Mapping[str, str] | None]
    """What each file is to be, in a line. It follows from the source: nobody gives it."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        path: Input[str],
        source: Input[str],
        name: Input[str] | None = None,
        mode: Input[str] | None = None,
        folder_mode: Input[str] | None = None,
        owner: Input[str] | None = None,
        group: Input[str] | None = None,
        rules: Input[Sequence[Input[Mapping[str, Input[str]]]]] | None = None,
        exclude: Input[Sequence[Input[str]]] | None = None,
        exact: Input[bool] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "path": path,
            "source": source,
            "name": name,
            "mode": mode,
            "folder_mode": folder_mode,
            "owner": owner,
            "group": group,
            "rules": rules,
            "exclude": exclude,
            "exact": exact,
            "files": None,
            "machine": None,
        }
        super().__init__("hearth:host:Tree", resource_name, properties, opts)

    def translate_output_property(self, prop: str) -> str:
        return {"folderMode": "folder_mode"}.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        return {"folder_mode": "folderMode"}.get(prop, prop)


class Block(pulumi.CustomResource):
    """A managed block of lines in a text file that others own too, as /etc/fstab.

    The block stands between `# BEGIN hearth NAME` and `# END hearth NAME`. The rest of the file, its mode and its owner
    are kept, byte for byte; a file that is not there is made, 0644 and root's. Where the very lines stand in the file
    already, written by hand, the two markers are put around them, so that nothing is there twice; destroy takes the markers
    away and leaves the lines. A file that blocks have made goes with the last of them, if nothing else is in it by then.
    A marker that was damaged is drift, and put right: of the lines beside it those go that the block is known to hold.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    path: Output[str]
    """The file it stands in. A change replaces the resource."""
    name: Output[str]
    """Tells blocks of one file apart. A change replaces it."""
    content: Output[str]
    """The lines between the markers; a final newline may be left out."""
    comment: Output[str | None]
    """What begins a comment in that file. Left out, a new one gets `#`, and one that is there keeps its own."""
    comment_end: Output[str | None]
    """What ends a comment in that file, as '-->'. Left out, a new one gets ``, and one that is there keeps its own."""
    before: Output[str | None]
    """A line of the file that the block stands somewhere before; a new one right before it."""
    after: Output[str | None]
    """A line of the file that the block stands somewhere after; a new one right after it."""
    validate: Output[Sequence[str] | None]
    """A command that must accept the new text before it replaces the old: a program and its arguments, with '{}' for the path of a copy, as ['sshd', '-t', '-f', '{}']. No shell."""
    in_place: Output[bool]
    """Whether the text goes into the file that is there, and no new one takes its place: for a file that is a mount of its own, as /etc/hosts in a container. Who reads it the while sees a part of it."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        path: Input[str],
        name: Input[str],
        content: Input[str],
        comment: Input[str] | None = None,
        comment_end: Input[str] | None = None,
        before: Input[str] | None = None,
        after: Input[str] | None = None,
        validate: Input[Sequence[Input[str]]] | None = None,
        in_place: Input[bool] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "path": path,
            "name": name,
            "content": content,
            "comment": comment,
            "comment_end": comment_end,
            "before": before,
            "after": after,
            "validate": validate,
            "in_place": in_place,
            "machine": None,
        }
        super().__init__("hearth:host:Block", resource_name, properties, opts)

    def translate_output_property(self, prop: str) -> str:
        return {"commentEnd": "comment_end", "inPlace": "in_place"}.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        return {"comment_end": "commentEnd", "in_place": "inPlace"}.get(prop, prop)


class Package(pulumi.CustomResource):
    """A package of Debian or Ubuntu, installed with apt.

    Manages that the package is there, and its version and whether apt may change it where that is asked for; not its
    configuration or its services. A package that was there before stays on destroy, with its version where that can still
    be had; so does one that was only unpacked, configured by then. One that Hearth installed is purged, with the packages
    that came along and that nobody else needs. Upgrades of other packages that came of an installation are not taken back.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    name: Output[str]
    """Name of the package, as apt knows it. A change replaces the resource."""
    recommends: Output[bool]
    """Whether what the package recommends comes along when it is installed."""
    version: Output[str | None]
    """The version, as apt has it; with '*' at its end how it begins. It may be an older one."""
    hold: Output[bool | None]
    """Whether apt keeps the version that is there, also when all is upgraded (apt-mark hold)."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        name: Input[str],
        recommends: Input[bool] | None = None,
        version: Input[str] | None = None,
        hold: Input[bool] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "name": name,
            "recommends": recommends,
            "version": version,
            "hold": hold,
            "machine": None,
        }
        super().__init__("hearth:host:Package", resource_name, properties, opts)


class User(pulumi.CustomResource):
    """An account on a machine: home, shell, groups, subordinate ids, linger, and that no password opens it.

    Manages the account, its group of the same name, and the home directory itself, not what lies in it. A list of `groups`
    is complete: any other group counts as drift; `more_groups` is not. Passwords and keys are not managed; a new account
    has no password. A home that is the machine's (`/`), another account's too, or of another owner gets no mode. On
    destroy an account that was there before gets back what was changed; one that Hearth made goes, with its processes. Its
    home stays, unless `remove_home` is set. What lies in a home is not carried along by a change of `home`: the earlier one
    stays as it is, `up` says so, and destroy treats it as it does the last one.
    Sources: useradd(8), usermod(8), userdel(8), chage(1), loginctl(1) of Debian 12 and 13.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    name: Output[str]
    """Name of the account. A change replaces the resource."""
    system: Output[bool]
    """Whether the account is a system account, with a low number. Only heeded when it is made."""
    home: Output[str | None]
    """The home directory; made where it is missing."""
    shell: Output[str | None]
    """The login shell. Left out, a new one gets `/usr/sbin/nologin`, and one that is there keeps its own."""
    groups: Output[Sequence[str] | None]
    """Exactly the groups that the account is in, beside its own; an empty list: none."""
    more_groups: Output[Sequence[str] | None]
    """Groups that the account is in too, whatever others it is in. Not beside `groups`."""
    subordinate_ids: Output[str | None]
    """Subordinate user and group ids for rootless containers: `auto` for a free range where it has none, or START:COUNT, which is refused where it overlaps anybody else's."""
    linger: Output[bool | None]
    """Whether the account's own service manager runs from boot on, without a login."""
    home_mode: Output[str | None]
    """Permission bits of the home directory. Left out, a new one gets `0700`, and one that is there keeps its own."""
    home_owner: Output[str | None]
    """Who owns the home directory, with that account's own group. Left out, a new one gets what `name` says, and one that is there keeps its own."""
    password: Output[str | None]
    """`none`: no password opens the account. Hearth sets no passwords."""
    expires: Output[str | None]
    """`never`: neither the account nor its password expires."""
    remove_home: Output[bool]
    """Whether destroy removes the home of an account that Hearth made, with all in it."""
    allow_lockout: Output[bool]
    """Whether the account that Hearth logs in as may lose its shell, home or groups."""
    uid: Output[int]
    """The account's number."""
    gid: Output[int]
    """The number of its own group."""
    subordinate_start: Output[int]
    """First subordinate id, 0 where there are none."""
    subordinate_count: Output[int]
    """How many subordinate ids."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        name: Input[str],
        system: Input[bool] | None = None,
        home: Input[str] | None = None,
        shell: Input[str] | None = None,
        groups: Input[Sequence[Input[str]]] | None = None,
        more_groups: Input[Sequence[Input[str]]] | None = None,
        subordinate_ids: Input[str] | None = None,
        linger: Input[bool] | None = None,
        home_mode: Input[str] | None = None,
        home_owner: Input[str] | None = None,
        password: Input[str] | None = None,
        expires: Input[str] | None = None,
        remove_home: Input[bool] | None = None,
        allow_lockout: Input[bool] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "name": name,
            "system": system,
            "home": home,
            "shell": shell,
            "groups": groups,
            "more_groups": more_groups,
            "subordinate_ids": subordinate_ids,
            "linger": linger,
            "home_mode": home_mode,
            "home_owner": home_owner,
            "password": password,
            "expires": expires,
            "remove_home": remove_home,
            "allow_lockout": allow_lockout,
            "uid": None,
            "gid": None,
            "subordinate_start": None,
            "subordinate_count": None,
            "machine": None,
        }
        super().__init__("hearth:host:User", resource_name, properties, opts)

    def translate_output_property(self, prop: str) -> str:
        return {"moreGroups": "more_groups", "subordinateIds": "subordinate_ids", "homeMode": "home_mode", "homeOwner": "home_owner", "removeHome": "remove_home", "allowLockout": "allow_lockout", "subordinateStart": "subordinate_start", "subordinateCount": "subordinate_count"}.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        return {"more_groups": "moreGroups", "subordinate_ids": "subordinateIds", "home_mode": "homeMode", "home_owner": "homeOwner", "remove_home": "removeHome", "allow_lockout": "allowLockout", "subordinate_start": "subordinateStart", "subordinate_count": "subordinateCount"}.get(prop, prop)


class Script(pulumi.CustomResource):
    """Texts of one's own, for what has no kind: `apply` makes it so, `check` asks whether it holds, `undo` takes it back.

    `check` ends with 0 where it holds; it must change nothing, and is run at every refresh. `apply` is run only where it
    does not hold, so a changed `apply` text is run only when `check` fails: let `check` look at what the change is about.
    What `check` reads elsewhere, as files that other resources write, goes into `check_on`: an `up` asks the machine only
    where an input has changed, so without it a `check` that has become false would wait for a refresh.
    `undo` is run on destroy, if `check` did not hold before the resource was created; it must not mind being run twice, or
    after an `apply` that stopped half-way. The texts are handed over as files that only their process sees, so
    they show in no process list. Not managed: anything that `check` does not look at. Nothing can be imported: a machine
    does not know the texts.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    name: Output[str]
    """Which script this is on its machine. A change replaces it."""
    apply: Output[str]
    """Makes it so; safe to run twice. Only run where `check` does not hold."""
    check: Output[str]
    """Ends with 0 where it holds; changes nothing."""
    check_on: Output[Sequence[str] | None]
    """What `check` depends on beside its text, as the texts of files that it compares: a change shows in a preview, and has it asked, and `apply` run where it does not hold, by the `up` without a refresh. Of a long text the state holds a digest."""
    undo: Output[str | None]
    """Takes it back on destroy, where it did not hold before; safe to run twice."""
    interpreter: Output[str]
    """What runs the texts."""
    user: Output[str | None]
    """The user who runs them; root where none is given."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        name: Input[str],
        apply: Input[str],
        check: Input[str],
        check_on: Input[Sequence[Input[str]]] | None = None,
        undo: Input[str] | None = None,
        interpreter: Input[str] | None = None,
        user: Input[str] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "name": name,
            "apply": apply,
            "check": check,
            "check_on": check_on,
            "undo": undo,
            "interpreter": interpreter,
            "user": user,
            "machine": None,
        }
        super().__init__("hearth:host:Script", resource_name, properties, opts)

    def translate_output_property(self, prop: str) -> str:
        return {"checkOn": "check_on"}.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        return {"check_on": "checkOn"}.get(prop, prop)


class Unit(pulumi.CustomResource):
    """A systemd unit: its text, whether it is enabled, whether it runs; of the system or of an account's own manager.

    Manages unit files in /etc/systemd/system or ~/.config/systemd/user, and Quadlet source files in
    /etc/containers/systemd or ~/.config/containers/systemd with the service that Quadlet makes of them. Without a text it
    manages the state of a unit that comes from elsewhere. Does not manage drop-ins (a File does). A changed text, or a
    change in `restart_on`, restarts what was running. On destroy the unit file, enabled state and running state of before
    come back; volumes that Quadlet made stay, since they hold data.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    name: Output[str]
    """The unit's full name, or that of a Quadlet source file, as `web.container`. A change replaces the resource."""
    user: Output[str | None]
    """The account whose own service manager it belongs to; none: the system's. A change replaces the resource."""
    home: Output[str | None]
    """The home of `user`, below which the file is: give User's `home`, and the unit follows it. A change replaces the resource."""
    text: Output[str | None]
    """The whole text of the unit file. None: the unit comes from elsewhere, as from a package."""
    enabled: Output[bool | None]
    """Whether it is started at boot. Of a Quadlet file its [Install] section says so."""
    running: Output[bool | None]
    """Whether it is active; of a Quadlet file, whether its service is."""
    restart_on: Output[Sequence[str] | None]
    """Texts of any kind, as hashes of its configuration files: a change restarts it."""
    restart_on_files: Output[Sequence[str] | None]
    """Files that it reads when it starts, or folders of such: it is restarted where it runs with what was in them before, also where its package has just started it."""
    start_timeout: Output[float]
    """Seconds that a start may take."""
    allow_lockout: Output[bool]
    """Whether the SSH server or the network that Hearth comes by may be changed or stopped."""
    service: Output[str]
    """The unit that runs: of a Quadlet file, the service it becomes."""
    path: Output[str]
    """Where the unit file is, if Hearth writes it."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        name: Input[str],
        user: Input[str] | None = None,
        home: Input[str] | None = None,
        text: Input[str] | None = None,
        enabled: Input[bool] | None = None,
        running: Input[bool] | None = None,
        restart_on: Input[Sequence[Input[str]]] | None = None,
        restart_on_files: Input[Sequence[Input[str]]] | None = None,
        start_timeout: Input[float] | None = None,
        allow_lockout: Input[bool] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "name": name,
            "user": user,
            "home": home,
            "text": text,
            "enabled": enabled,
            "running": running,
            "restart_on": restart_on,
            "restart_on_files": restart_on_files,
            "start_timeout": start_timeout,
            "allow_lockout": allow_lockout,
            "service": None,
            "path": None,
            "machine": None,
        }
        super().__init__("hearth:host:Unit", resource_name, properties, opts)

    def translate_output_property(self, prop: str) -> str:
        return {"restartOn": "restart_on", "restartOnFiles": "restart_on_files", "startTimeout": "start_timeout", "allowLockout": "allow_lockout"}.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        return {"restart_on": "restartOn", "restart_on_files": "restartOnFiles", "start_timeout": "startTimeout", "allow_lockout": "allowLockout"}.get(prop, prop)


class GitCheckout(pulumi.CustomResource):
    """A git checkout on a machine, at one branch, tag or commit, owned by one account.

    Git runs on the machine, as the owner. HEAD is detached at the commit that `revision` means; tracked files are as in
    that commit. A refresh asks no network: a tag or branch is compared with what was fetched at the last apply, so a branch
    that has moved upstream is not noticed. Pin a tag or a commit, and change it. Credentials in an https address are used
    to fetch, and kept nowhere on the machine. Not managed: large file storage, untracked files, and submodules unless they
    are asked for. Git goes by the owner's own configuration, in looking as in making.

    A checkout that was there before is put back at its branch or commit, with its remote; what was fetched stays among its
    objects. One with local changes is refused rather than overwritten, also where git was told not to look at them. In one
    that Hearth has made or changed, local changes of tracked files are drift, and are overwritten; on destroy one that was
    there before stays where it is for their sake. An untracked file is never overwritten.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    path: Output[str]
    """The folder; its parent must exist. A change replaces the resource."""
    url: Output[str]
    """Where it comes from: https, ssh or file. Make it a secret if it holds a token."""
    revision: Output[str]
    """A tag or a commit; or a branch, which is looked up when something else is applied."""
    owner: Output[str | None]
    """Name of the user who owns it, and whom git runs as. Left out, a new one gets `root`, and one that is there keeps its own."""
    depth: Output[int | None]
    """How many commits of its history are fetched, in one that Hearth makes."""
    refspec: Output[str | None]
    """What else is fetched beside branches and tags, as refs/pull/7/head or refs/changes/*."""
    submodules: Output[bool | None]
    """Whether its submodules are checked out, those in them too."""
    commit: Output[str]
    """The commit that is checked out, in full."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        path: Input[str],
        url: Input[str],
        revision: Input[str],
        owner: Input[str] | None = None,
        depth: Input[int] | None = None,
        refspec: Input[str] | None = None,
        submodules: Input[bool] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "path": path,
            "url": url,
            "revision": revision,
            "owner": owner,
            "depth": depth,
            "refspec": refspec,
            "submodules": submodules,
            "commit": None,
            "machine": None,
        }
        super().__init__("hearth:host:GitCheckout", resource_name, properties, opts)


class Venv(pulumi.CustomResource):
    """A Python virtual environment on a machine, with packages in it, owned by one account.

    Manages that it is there with the wished interpreter, that what `requirements` names is installed, and a project that is
    installed as editable. Each requirement must be there in a version that it allows; pin what matters. Not managed: what packages need in turn, and packages that a requirement
    once named and none does now. pip runs as the owner, with the machine's own pip configuration, and keeps no cache.

    One that was there before gets its list of packages back, in their versions, which pip has to find again.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    path: Output[str]
    """Its folder; the parent must exist. A change replaces the resource."""
    python: Output[str]
    """The Python that it is made with. A change makes it anew."""
    requirements: Output[Sequence[str] | None]
    """What pip installs: each a requirement in pip's form, best `name==version`."""
    editable: Output[str | None]
    """Folder of a project that is installed as editable (`pip install -e`)."""
    owner: Output[str | None]
    """Name of the user who owns it, and whom pip runs as. Left out, a new one gets `root`, and one that is there keeps its own."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        path: Input[str],
        python: Input[str] | None = None,
        requirements: Input[Sequence[Input[str]]] | None = None,
        editable: Input[str] | None = None,
        owner: Input[str] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "path": path,
            "python": python,
            "requirements": requirements,
            "editable": editable,
            "owner": owner,
            "machine": None,
        }
        super().__init__("hearth:host:Venv", resource_name, properties, opts)


class ContainerImage(pulumi.CustomResource):
    """A container image in one podman store on a machine: root's, or an account's own.

    Manages that an image of this name is there: pulled, handed over from another account's store, or loaded from an
    archive. An image that is there is not fetched again when its tag moves on in a registry: name a digest for that. Which
    image it is, is written down on the machine: a tag that somebody has moved to another one is drift, and goes back. On
    destroy an image that was there before stays; else its name is removed, unless a container uses it. What podman keeps
    about its store stays, in the account's home.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    name: Output[str]
    """The image's full name, as docker.io/ollama/ollama:latest. A change replaces the resource."""
    user: Output[str | None]
    """The account whose podman store holds it; none: root's. A change replaces the resource."""
    source: Output[str]
    """Where it comes from if it is not there: `pull`, `user:NAME` (handed over from that account's store), or `archive:/path.tar`."""
    image_id: Output[str]
    """The image's id: the hash of its configuration."""
    digest: Output[str]
    """The hash of its manifest."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        name: Input[str],
        user: Input[str] | None = None,
        source: Input[str] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "name": name,
            "user": user,
            "source": source,
            "image_id": None,
            "digest": None,
            "machine": None,
        }
        super().__init__("hearth:host:ContainerImage", resource_name, properties, opts)

    def translate_output_property(self, prop: str) -> str:
        return {"imageId": "image_id"}.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        return {"image_id": "imageId"}.get(prop, prop)


class ContainerRecord(pulumi.CustomResource):
    """What a user's container was like, written down on the machine before anybody touches it: its port and its image.

    For taking over from containers that were started by hand. Reads the container with `podman inspect` and changes nothing
    about it. The record is a small file of its own, so that it outlives the container: once written it is what counts, and
    it is never written anew. Destroy removes it.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    path: Output[str]
    """Where the record is kept. A change replaces it."""
    user: Output[str]
    """The user who runs the container. A change replaces the record."""
    container: Output[str]
    """The container's name. A change replaces the record."""
    port_needed: Output[bool]
    """Whether a port that can't be told is an error."""
    port: Output[int]
    """The TCP port on which the container listens; 0 where it can't be told."""
    image: Output[str]
    """The full name of the image it was made from."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        path: Input[str],
        user: Input[str],
        container: Input[str],
        port_needed: Input[bool] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "path": path,
            "user": user,
            "container": container,
            "port_needed": port_needed,
            "port": None,
            "image": None,
            "machine": None,
        }
        super().__init__("hearth:host:ContainerRecord", resource_name, properties, opts)

    def translate_output_property(self, prop: str) -> str:
        return {"portNeeded": "port_needed"}.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        return {"port_needed": "portNeeded"}.get(prop, prop)


class CommandOutput(pulumi.CustomResource):
    """What a command on a machine answers, as an output that other resources use. Manages nothing and changes nothing.

    For what only the machine knows and another resource's inputs depend on, as the version of a program. The command must
    change nothing: it is run at creation and at every refresh, never by a plain `up`. Its answer must be no secret.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    name: Output[str]
    """Which fact this is. A change replaces it."""
    command: Output[Sequence[str]]
    """The program and its arguments; no shell."""
    user: Output[str | None]
    """The user who asks; root where none is given."""
    answer: Output[str]
    """What the command wrote to standard output, blanks around it removed."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        name: Input[str],
        command: Input[Sequence[Input[str]]],
        user: Input[str] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "name": name,
            "command": command,
            "user": user,
            "answer": None,
            "machine": None,
        }
        aliases = ResourceOptions(aliases=[pulumi.Alias(type_="hearth:host:Fact")])
        opts = ResourceOptions.merge(aliases, opts)
        super().__init__("hearth:host:CommandOutput", resource_name, properties, opts)


class MountPoint(pulumi.CustomResource):
    """A directory on which a file system is mounted, now or later: that it is there, and whose it is beneath the mount.

    Manages the directory, not the mount. While something is mounted there, an automount's trap included, mode and owner
    that can be seen are those of what is mounted, so they are taken to be as they were wished, and are not changed. On
    destroy a directory that was not there before is removed if it is empty and nothing is mounted on it.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    path: Output[str]
    """Where it is. Its parent must exist. A change replaces it."""
    mode: Output[str | None]
    """Permission bits, as four octal digits. Left out, a new one gets `0755`, and one that is there keeps its own."""
    owner: Output[str | None]
    """Name or number of the user who owns it. Left out, a new one gets `root`, and one that is there keeps its own."""
    group: Output[str | None]
    """Name or number of the group that owns it. Left out, a new one gets `root`, and one that is there keeps its own."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        path: Input[str],
        mode: Input[str] | None = None,
        owner: Input[str] | None = None,
        group: Input[str] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "path": path,
            "mode": mode,
            "owner": owner,
            "group": group,
            "machine": None,
        }
        super().__init__("hearth:host:MountPoint", resource_name, properties, opts)

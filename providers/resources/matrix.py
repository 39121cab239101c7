"""Typed resources of the provider `hearth`. Made by `python -m providers.generate`: not to edit."""

# ruff: noqa: E501
# Annotations are types and no texts: the SDK evaluates them anew for each resource that a program declares.
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import Input, Output, ResourceOptions


class MatrixUser(pulumi.CustomResource):
    """A bot's account on a Matrix homeserver, and the one device by which it speaks.

    Registered by whatever stages the homeserver asks for (a registration token, usually); an account that is there already
    is logged in with its password. The access token lies on the machine in `tokenFile`, which root alone may read, and is a
    secret output; it is good where the homeserver itself says so (`whoami`). The device stays the same for life: another
    one would lose its keys. Destroy logs the device out, and leaves the account: a name once closed can never be registered
    again, so that takes `deactivate`. Not managed: a password that was changed elsewhere, names, pictures, rooms.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    homeserver: Output[str]
    """Its homeserver, as the machine sees it."""
    user: Output[str]
    """Name of the account, without @ and server. A change replaces the resource."""
    password: Output[str]
    """Its password. Give a secret."""
    token_file: Output[str]
    """Where the machine keeps the access token. Its folder must exist. A change replaces it."""
    registration_token: Output[str | None]
    """What the homeserver takes for a new account. Give a secret."""
    device_id: Output[str]
    """Its device, for life. A change replaces the resource."""
    logged_in: Output[bool]
    """That its token is good, as the homeserver says. Always true."""
    deactivate: Output[bool]
    """Whether destroy closes the account for good, if it was registered here."""
    user_id: Output[str]
    """The whole user id, as `@echo-bot:example.org`."""
    access_token: Output[str]
    """The device's access token."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        homeserver: Input[str],
        user: Input[str],
        password: Input[str],
        token_file: Input[str],
        registration_token: Input[str] | None = None,
        device_id: Input[str] | None = None,
        logged_in: Input[bool] | None = None,
        deactivate: Input[bool] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "homeserver": homeserver,
            "user": user,
            "password": password,
            "token_file": token_file,
            "registration_token": registration_token,
            "device_id": device_id,
            "logged_in": logged_in,
            "deactivate": deactivate,
            "user_id": None,
            "access_token": None,
            "machine": None,
        }
        super().__init__("hearth:matrix:MatrixUser", resource_name, properties, opts)

    def translate_output_property(self, prop: str) -> str:
        return {"tokenFile": "token_file", "registrationToken": "registration_token", "deviceId": "device_id", "loggedIn": "logged_in", "userId": "user_id", "accessToken": "access_token"}.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        return {"token_file": "tokenFile", "registration_token": "registrationToken", "device_id": "deviceId", "logged_in": "loggedIn", "user_id": "userId", "access_token": "accessToken"}.get(prop, prop)


class MaubotPlugin(pulumi.CustomResource):
    """A plugin in maubot: an .mbp archive, from a file on the operator's computer or built there from a folder.

    Uploaded only if what the machine has differs, as an upload restarts the plugin's instances, and only if the machine's
    Python compiles it. maubot puts an archive back by itself where the new one does not load. Not managed: the Python
    packages that a plugin needs (see `Venv`), plugins that were uploaded in the web page.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    plugin: Output[str]
    """Its id, as `sna.instagram`. A change replaces it."""
    source: Output[str]
    """An .mbp file, or a plugin's folder, on the operator's computer."""
    sha256: Output[str]
    """Of the archive that `source` makes (providers.kinds.matrix.archive); another one is drift."""
    config_file: Output[str]
    """maubot's own configuration on the machine: where it listens, and the key by which it lets us in. A change replaces the resource."""
    version: Output[str]
    """Its version, as its own definition has it."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        plugin: Input[str],
        source: Input[str],
        sha256: Input[str],
        config_file: Input[str] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "plugin": plugin,
            "source": source,
            "sha256": sha256,
            "config_file": config_file,
            "version": None,
            "machine": None,
        }
        super().__init__("hearth:matrix:MaubotPlugin", resource_name, properties, opts)

    def translate_output_property(self, prop: str) -> str:
        return {"configFile": "config_file"}.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        return {"config_file": "configFile"}.get(prop, prop)


class MaubotClient(pulumi.CustomResource):
    """A client in maubot: the account by which instances of plugins speak.

    The token has to be good, as the homeserver itself says (`whoami`): after a token was revoked maubot still calls its
    client started and in sync. Not managed: what the account looks like, unless `displayname` or `avatarUrl` say so; rooms.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    user_id: Output[str]
    """The account. A change replaces the resource."""
    homeserver: Output[str]
    """Its homeserver, as maubot's machine sees it."""
    access_token: Output[str]
    """The token of its device. Give a secret."""
    device_id: Output[str]
    """Its device; another one loses the keys of this one."""
    enabled: Output[bool | None]
    """Whether it starts with maubot. Left out, a new one gets `true`, and one that is there keeps its own."""
    started: Output[bool | None]
    """Whether it runs now. Left out, a new one gets `true`, and one that is there keeps its own."""
    sync: Output[bool | None]
    """Whether it hears what is said in its rooms. Left out, a new one gets `true`, and one that is there keeps its own."""
    autojoin: Output[bool | None]
    """Whether it goes where it is invited. Left out, a new one gets `true`, and one that is there keeps its own."""
    online: Output[bool | None]
    """Whether it is shown as online. Left out, a new one gets `true`, and one that is there keeps its own."""
    displayname: Output[str | None]
    """The name that it shows; not managed where none is given."""
    avatar_url: Output[str | None]
    """Its picture, as an mxc:// address; not managed where none is given."""
    logged_in: Output[bool]
    """That its token is good, as the homeserver says. Always true."""
    config_file: Output[str]
    """maubot's own configuration on the machine: where it listens, and the key by which it lets us in. A change replaces the resource."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        user_id: Input[str],
        homeserver: Input[str],
        access_token: Input[str],
        device_id: Input[str],
        enabled: Input[bool] | None = None,
        started: Input[bool] | None = None,
        sync: Input[bool] | None = None,
        autojoin: Input[bool] | None = None,
        online: Input[bool] | None = None,
        displayname: Input[str] | None = None,
        avatar_url: Input[str] | None = None,
        logged_in: Input[bool] | None = None,
        config_file: Input[str] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "user_id": user_id,
            "homeserver": homeserver,
            "access_token": access_token,
            "device_id": device_id,
            "enabled": enabled,
            "started": started,
            "sync": sync,
            "autojoin": autojoin,
            "online": online,
            "displayname": displayname,
            "avatar_url": avatar_url,
            "logged_in": logged_in,
            "config_file": config_file,
            "machine": None,
        }
        super().__init__("hearth:matrix:MaubotClient", resource_name, properties, opts)

    def translate_output_property(self, prop: str) -> str:
        return {"userId": "user_id", "accessToken": "access_token", "deviceId": "device_id", "avatarUrl": "avatar_url", "loggedIn": "logged_in", "configFile": "config_file"}.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        return {"user_id": "userId", "access_token": "accessToken", "device_id": "deviceId", "avatar_url": "avatarUrl", "logged_in": "loggedIn", "config_file": "configFile"}.get(prop, prop)


class MaubotInstance(pulumi.CustomResource):
    """An instance in maubot: a plugin, run by a client, with a config of its own.

    Of the config only the given keys are managed, compared as data; the rest is the plugin's. A key that the plugin does
    not know, which it drops without a word, is an error here; so is a start that failed, to which maubot answers "200 OK".
    The instance's own database is data: it stays, whole, with `database: keep`, and the next instance of that name has it.
    """

    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    name: Output[str]
    """Its id: lowercase letters, digits, '.', '_', '-'. A change replaces the resource."""
    type: Output[str]
    """The id of its plugin, as `sna.instagram`."""
    primary_user: Output[str]
    """The client that runs it."""
    config: Output[Mapping[str, Any] | None]
    """Its config: the keys that are managed; the rest is the plugin's."""
    enabled: Output[bool | None]
    """Whether it starts with its client. Left out, a new one gets `true`, and one that is there keeps its own."""
    started: Output[bool | None]
    """Whether it runs now. Left out, a new one gets `true`, and one that is there keeps its own."""
    database: Output[str]
    """What becomes of its own database on destroy."""
    recheck_on: Output[Sequence[str] | None]
    """What its start depends on, as its plugin's digest. A change has it looked at again: maubot disables an instance that does not start with a new plugin, and says so in its log alone."""
    config_file: Output[str]
    """maubot's own configuration on the machine: where it listens, and the key by which it lets us in. A change replaces the resource."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        name: Input[str],
        type: Input[str],
        primary_user: Input[str],
        config: Input[Mapping[str, Input[Any]]] | None = None,
        enabled: Input[bool] | None = None,
        started: Input[bool] | None = None,
        database: Input[str] | None = None,
        recheck_on: Input[Sequence[Input[str]]] | None = None,
        config_file: Input[str] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "name": name,
            "type": type,
            "primary_user": primary_user,
            "config": config,
            "enabled": enabled,
            "started": started,
            "database": database,
            "recheck_on": recheck_on,
            "config_file": config_file,
            "machine": None,
        }
        super().__init__("hearth:matrix:MaubotInstance", resource_name, properties, opts)

    def translate_output_property(self, prop: str) -> str:
        return {"primaryUser": "primary_user", "recheckOn": "recheck_on", "configFile": "config_file"}.get(prop, prop)

    def translate_input_property(self, prop: str) -> str:
        return {"primary_user": "primaryUser", "recheck_on": "recheckOn", "config_file": "configFile"}.get(prop, prop)

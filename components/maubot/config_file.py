"""maubot's own configuration, as a text. A pure function."""

from __future__ import annotations

from typing import Any

from config.systems.maubot import Maubot
from providers.kinds.matrix.config_text import dumps

HOME = "/var/lib/maubot"
PLUGINS = f"{HOME}/plugins"
INSTANCE_DATABASES = f"{HOME}/dbs"
DATABASE = f"{HOME}/bot.db"
FEATURES = (
    *("login", "plugin", "plugin_upload", "instance", "instance_database"),
    *("client", "client_proxy", "client_auth", "dev_open", "log"),
)


def config_text(settings: Maubot, admin_hash: str, session_key: str, database_url: str | None) -> str:
    """config.yaml. It names no registration secret: accounts are registered by token, and not by maubot."""
    config: dict[str, Any] = {
        "database": database_url or f"sqlite:{DATABASE}",
        "crypto_database": "default",
        "database_opts": {"min_size": 1, "max_size": 10},
        "plugin_directories": {"upload": PLUGINS, "load": [PLUGINS], "trash": "delete"},
        "plugin_databases": {"sqlite": INSTANCE_DATABASES, "postgres": None},
        "server": {
            "hostname": "127.0.0.1",
            "port": settings.port,
            "public_url": f"http://127.0.0.1:{settings.port}",
            "ui_base_path": "/_matrix/maubot",
            "plugin_base_path": "/_matrix/maubot/plugin/",
            "override_resource_path": False,
            "unshared_secret": session_key,
        },
        "homeservers": {settings.server_name: {"url": settings.homeserver}},
        "admins": {"root": "", settings.admin: admin_hash},
        # dev_open would let the web page start an editor on the machine.
        "api_features": {feature: feature != "dev_open" for feature in FEATURES},
        "logging": {
            "version": 1,
            "formatters": {"plain": {"format": "[%(levelname)s@%(name)s] %(message)s"}},
            "handlers": {"journal": {"class": "logging.StreamHandler", "formatter": "plain"}},
            "loggers": {
                "maubot": {"level": "INFO"},
                "mau": {"level": "INFO"},
                "aiohttp.access": {"level": "WARNING"},
            },
            "root": {"level": "INFO", "handlers": ["journal"]},
        },
    }
    return f"# Made by Hearth: the service reads it and never writes it.\n{dumps(config)}"

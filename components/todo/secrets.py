"""Content of the todo app's Secrets: pure functions, apart from the component. No value of them is ever shown."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from urllib.parse import quote

from components.todo import values
from config.systems.todo import Todo

DOCKER_HUB = "https://index.docker.io/v1/"
"""What Docker calls its registry in a login (docs.docker.com, credentials store)."""


def database_url(settings: Todo, password: str) -> str:
    """Return where the database inside the cluster is."""
    further = values.further(settings, "postgresql")
    user, database = (further.get(key, values.DATABASE_USER) for key in ("user", "database"))
    return f"postgresql://{user}:{quote(password, safe='')}@{settings.name}-postgresql:5432/{database}"


def secret_data(settings: Todo, secrets: Mapping[str, str]) -> dict[str, str]:
    """Return the content of the Secret, from the values of config.systems.todo.SECRETS that there are."""
    found = {"AUTH_SECRET": secrets["todo-auth-secret"]}
    if settings.postgres.enabled:
        password = secrets["todo-postgres-password"]
        found |= {"DATABASE_URL": database_url(settings, password), "POSTGRES_PASSWORD": password}
    else:
        found["DATABASE_URL"] = secrets["todo-database-url"]
    if settings.database_ca:
        found["DATABASE_CA"] = settings.database_ca
    if secrets.get("todo-openai-api-key"):
        found["OPENAI_API_KEY"] = secrets["todo-openai-api-key"]
    return found


def keyed_digest(data: Mapping[str, str]) -> str:
    """Return a mark that changes with the Secret and tells nothing about it.

    It is keyed with its longest secret, the signing key.

    What shows in a pod's description must not let anybody try passwords.
    """
    text = "\n".join(f"{key}={value}" for key, value in sorted(data.items()))
    return hmac.new(data["AUTH_SECRET"].encode(), text.encode(), hashlib.sha256).hexdigest()[:16]


def registry_data(address: str, user: str, password: str) -> dict[str, str]:
    """Return the content of that Secret, of the type kubernetes.io/dockerconfigjson."""
    server = DOCKER_HUB if address in ("docker.io", "index.docker.io") else address
    login = {"username": user, "password": password, "auth": base64.b64encode(f"{user}:{password}".encode()).decode()}
    return {".dockerconfigjson": json.dumps({"auths": {server: login}})}

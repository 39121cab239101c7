"""`todo-backend serve` and `todo-backend migrate`. Exit code 2 where the settings are wrong, 1 where it failed."""

from __future__ import annotations

import sys

from foundation.process import leave, loading

with loading():
    from pydantic import ValidationError

    from foundation import logs
    from todo_backend.about import SERVICE
    from todo_backend.config import MigrationSettings, Settings, problems

USAGE = "usage: todo-backend [serve | migrate]"


def main(arguments: list[str]) -> int:
    """Run the command; its exit code."""
    logs.configure(SERVICE)
    command = arguments[0] if arguments else "serve"
    if len(arguments) > 1 or command not in {"serve", "migrate"}:
        print(f"todo-backend: there is no command {' '.join(arguments)!r}\n{USAGE}", file=sys.stderr)
        return 2
    try:
        settings = Settings() if command == "serve" else MigrationSettings()  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        for problem in problems(error):
            logs.get_logger().error("settings_invalid", problem=problem)
        return 2
    logs.configure(SERVICE, settings.log_level, settings.secrets())
    # Each command needs libraries that take the other one half a second to load.
    if isinstance(settings, Settings):
        with loading():
            from todo_backend.server import serve
        return serve(settings)
    with loading():
        from todo_backend.schema import run
    return run(settings)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))

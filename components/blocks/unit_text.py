"""How a value stands in a unit file of systemd's, and in one of Quadlet's: pure functions, one for each way of reading.

Two programs read a Quadlet file. Podman's generator takes the lines apart (pkg/systemd/parser of podman 4.4 to 5.x) and
writes a service; systemd reads that (systemd.syntax(7), systemd.service(5) "Command lines"), where `%` begins a
specifier and `$` a variable. So what is meant for a command is escaped for systemd first, then for the line.

Every function raises ValueError for what a line can't carry: the settings' models refuse it before.
"""

from __future__ import annotations

import re
import shlex

from config.texts import NO_TEXT

# U+0080 is the one character that podman's generator loses, since it takes 128 for ASCII (charNeedEscape() in
# pkg/systemd/parser/split.go, 4.4 to 5.x): it writes `\x80`, which systemd reads as a byte that is no text.
_NO_LINE = re.compile(rf"[\x00\n\r\x80{NO_TEXT}]")


def _carried(value: str) -> str:
    if _NO_LINE.search(value):
        raise ValueError(
            "a value in a unit file must be one line of text; write it without line breaks, NUL, U+0080 and what is no "
            "character"
        )
    return value


def command_part(value: str) -> str:
    """Return a value in which systemd finds no specifier and no variable once it stands in a command.

    `%` and `$` are doubled.
    """
    return value.replace("%", "%%").replace("$", "$$")


def line(value: str) -> str:
    """Return a value that is taken as the rest of its line: `Image=`, `Volume=`, `Description=`.

    Raises ValueError where the reader would take some of it away: blanks and double quotes at its ends, and a
    backslash there, which would join the next line.
    """
    if value != value.strip() or value.startswith('"') or value.endswith(('"', "\\")):
        raise ValueError("a value in a unit file must not begin or end with a blank, a quote or a backslash; change it")
    return command_part(_carried(value))


def word(value: str) -> str:
    """Return one word of a line that is split into words.

    Such lines are `Environment=`, `EnvironmentFile=`, `PodmanArgs=`, `ExecStart=`.
    """
    inner = command_part(_carried(value)).replace("\\", "\\\\").replace('"', '\\"')
    inner = re.sub(r"[\x01-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", inner)
    return f'"{inner}"'


def path_word(value: str) -> str:
    """Return one path of a list of them: `ReadWritePaths=`. No command, so `$` is no variable there.

    Source: config_parse_namespace_path_strv() of systemd, which takes quotes away and puts specifiers in.
    """
    inner = _carried(value).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return inner if re.fullmatch(r"[A-Za-z0-9_./:@%+,=-]+", inner) else f'"{inner}"'


def bare_word(value: str) -> str:
    """Write as `word` does, without the quotes where none are needed."""
    return command_part(value) if re.fullmatch(r"[A-Za-z0-9_./:@%+,=-]+", value) else word(value)


def shell_line(command: str) -> str:
    """Return a command for a shell, as the rest of a line: `HealthCmd=`.

    Podman reads `none` as no health check at all and what begins with `[` as JSON, and the line's reader takes quotes,
    blanks and a backslash at the ends away. Such a command is handed to the shell through `eval`, in quotes.
    """
    _carried(command)
    taken = command != command.strip() or command[-1:] in ('"', "\\") or command[:1] in ('"', "[")
    if taken or command.lower() == "none" or not command:
        return command_part(f"eval {shlex.quote(command)}")
    return command_part(command)

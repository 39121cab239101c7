"""A reader of unit files, to prove what writes them: Quadlet's and systemd's, from their manuals.

`service_command` goes the whole way that a value takes: podman's generator reads the line, puts what it says into a
command (`ExecStart=`) and writes that; systemd reads the command. Sources: systemd.syntax(7) "Quoting", systemd.unit(5)
"Specifiers", systemd.service(5) "Command lines"; podman's pkg/systemd/parser for what it does to ends of lines.
"""

from __future__ import annotations

import re

ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "s": " ",
    "\\": "\\",
    '"': '"',
    "'": "'",
}
BLANKS = " \t\n\r"


class NotRead(ValueError):
    """The text is refused by the reader, or means more than one value."""


def assignments(text: str) -> list[tuple[str, str, str]]:
    """Return (section, key, value) of each line. A backslash at a line's end joins the next."""
    found: list[tuple[str, str, str]] = []
    section = ""
    for line in re.sub(r"\\\n", " ", text).split("\n"):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            section = line[1:-1]
            continue
        key, equals, value = line.partition("=")
        if not equals:
            raise NotRead(f"no assignment: {line!r}")
        found.append((section, key.rstrip(), value.strip()))
    return found


def words(text: str) -> list[str]:
    """Return a line split into words: quotes taken away, C escapes read. Raises NotRead for an open quote or escape."""
    found: list[str] = []
    word: str | None = None
    quote, position = "", 0
    while position < len(text):
        mark = text[position]
        if mark == "\\":
            escape, length = _escape(text[position + 1 :])
            word, position = (word or "") + escape, position + length
        elif quote:
            quote, word = ("" if mark == quote else quote), (word or "") + ("" if mark == quote else mark)
        elif mark in "\"'":
            quote, word = mark, word or ""
        elif mark in BLANKS:
            found += [] if word is None else [word]
            word = None
        else:
            word = (word or "") + mark
        position += 1
    if quote:
        raise NotRead(f"an open quote: {text!r}")
    return found + ([] if word is None else [word])


def _escape(rest: str) -> tuple[str, int]:
    """Return what stands for a backslash and what follows, and how many characters follow."""
    if rest[:1] in ESCAPES and rest:
        return ESCAPES[rest[0]], 1
    if (match := re.match(r"x([0-9a-fA-F]{2})", rest)) and (code := int(match[1], 16)) < 0x80:
        return chr(code), 3
    if (match := re.match(r"[0-7]{3}", rest)) and (code := int(match[0], 8)) < 0x80:
        return chr(code), 3
    # From 0x80 on an escape is one byte to systemd, so no character of UTF-8.
    raise NotRead(f"an escape that does not exist: {rest[:4]!r}")


def line_value(value: str, *, trims_all_quotes: bool) -> str:
    """Return the rest of a line as podman's `Lookup` takes it: a pair of quotes around it goes; in older ones, each."""
    if trims_all_quotes:
        return value.rstrip().strip('"')
    stripped = value.rstrip()
    return stripped[1:-1] if len(stripped) > 1 and stripped[0] == stripped[-1] == '"' else stripped


def exec_line(arguments: list[str]) -> str:
    """Return a command as podman's generator writes it into ExecStart."""
    return " ".join(_exec_word(argument) for argument in arguments)


def _exec_word(argument: str) -> str:
    if not re.search(r"[\x00-\x20\x7f\x80\"'\\]", argument):
        return argument
    inner = argument.replace("\\", "\\\\").replace('"', '\\"')
    inner = re.sub(r"[\x00-\x1f\x7f\x80]", lambda found: f"\\x{ord(found[0]):02x}", inner)
    return f'"{inner}"'


def executed(line: str) -> list[str]:
    """Return the arguments that systemd gives the program of an ExecStart line.

    NotRead where one would be another's value.
    """
    return [_expanded(word) for word in words(line)]


def _expanded(word: str) -> str:
    plain = re.sub(r"%(.?)", lambda found: found[1] if found[1] == "%" else _specifier(word), word, flags=re.DOTALL)
    if re.search(r"(?<!\$)(\$\$)*\$(?!\$)[A-Za-z_{]", plain):
        raise NotRead(f"a variable: {word!r}")
    return plain.replace("$$", "$")


def _specifier(word: str) -> str:
    raise NotRead(f"a specifier: {word!r}")

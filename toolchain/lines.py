"""The lines of a text, and the fields of a table of mounts, as the programs of a machine read them."""

from __future__ import annotations

import re


def lines_in(text: str, *, keepends: bool = False) -> list[str]:
    r"""Return the lines of a text: each ends at `\n` or `\r\n`, and at nothing else. `keepends` keeps these in them.

    `str.splitlines` also ends one at a form feed, U+0085, U+2028 and six others. Those may stand within a line: who has
    an account on a machine can put one into its own line of /etc/passwd by chfn(1), and would begin another there.
    """
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    return lines if keepends else [line.removesuffix("\n").removesuffix("\r") for line in lines]


def mount_fields(line: str) -> list[str]:
    r"""Return the fields of a line of fstab(5) or /proc/self/mounts, with `\040` and its like taken back, byte by byte.

    Spaces and tabs are between fields, and no other blank: `str.split` would cut a path at a no-break space.
    """
    found = re.findall(rb"[^ \t]+", line.rstrip("\n").encode(errors="surrogateescape"))
    plain = (re.sub(rb"\\([0-3][0-7]{2})", lambda code: bytes([int(code[1], 8)]), field) for field in found)
    return [field.decode(errors="surrogateescape") for field in plain]

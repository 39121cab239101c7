"""The lines of a text, as the programs of a machine read them."""

from __future__ import annotations

import re


def lines_in(text: str, *, keepends: bool = False) -> list[str]:
    r"""Return the lines of a text: each ends at `\n` or `\r\n`, and at nothing else. `keepends` keeps these in them.

    `str.splitlines` also ends one at a form feed, U+0085, U+2028 and six others. Those may stand within a line: who has
    an account on a machine can put one into its own line of /etc/passwd by chfn(1), and would begin another there.
    """
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    return lines if keepends else [line.removesuffix("\n").removesuffix("\r") for line in lines]

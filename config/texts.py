"""What a text in the settings may hold, wherever it stands: one rule for names, words and paths."""

from __future__ import annotations

UNSEEN = (
    r"\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f"
    r"\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
)
"""What a text must not hold: what controls a terminal or ends a line, and what nobody sees who reads it.

The latter are blanks without width, marks that turn the direction of writing, and a byte order mark, of Unicode's
category Cf. The two joiners (U+200C, U+200D) stay: words of some languages and many emoji are written with them.
"""

"""Runs on a machine: compile what maubot will import of a plugin, and print what Python does not take, as JSON.

The archive comes on stdin; FILES, the names in it, is set in front of this text. Nothing of the plugin is run. Standard
library only, Python 3.8 or later.
"""

import io
import json
import sys
import warnings
import zipfile

FILES = globals().get("FILES", [])


def mistake(name: str, source: bytes) -> str:
    """Return what Python says of one file; an empty text where it takes it."""
    try:
        compile(source, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"{name}, line {error.lineno}: {error.msg}" if error.lineno else f"{name}: {error.msg}"
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:  # a null byte; nested without an end
        return f"{name}: {error or type(error).__name__}"
    return ""


def main() -> None:
    warnings.simplefilter("ignore")
    found: list[str] = []
    with zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())) as archive:
        for name in FILES:
            found.append(mistake(name, archive.read(name)))
    python = ".".join(map(str, sys.version_info[:2]))
    print(json.dumps({"python": python, "mistakes": [each for each in found if each]}))


main()

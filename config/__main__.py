"""`python -m config schema` writes the JSON Schema of the settings; `table SYSTEM` prints a table of them."""

from __future__ import annotations

import argparse

from config.schema import SCHEMA_FILE, table, text
from config.systems import SYSTEMS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m config", description="What the settings are made of.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("schema", help=f"write {SCHEMA_FILE.name}, for completion in editors")
    of_table = commands.add_parser("table", help="print the settings of a system as a Markdown table")
    of_table.add_argument("system", choices=sorted(SYSTEMS))
    arguments = parser.parse_args()
    if arguments.command == "schema":
        SCHEMA_FILE.write_text(text())
        print(f"Written: config/{SCHEMA_FILE.name}")
    else:
        print(table(arguments.system), end="")


if __name__ == "__main__":
    main()

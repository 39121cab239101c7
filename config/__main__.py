"""`python -m config schema` writes the JSON Schema of the settings; `table SYSTEM` prints a table; `compose` writes
the core stack's compose.yaml."""

from __future__ import annotations

import argparse

from config.schema import SCHEMA_FILE, table, text
from config.systems import SYSTEMS, core_compose


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m config", description="What the settings are made of.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("schema", help=f"write {SCHEMA_FILE.name}, for completion in editors")
    of_table = commands.add_parser("table", help="print the settings of a system as a Markdown table")
    of_table.add_argument("system", choices=sorted(SYSTEMS))
    commands.add_parser("compose", help="write apps/mail-assistant/compose.yaml, for running the core stack by hand")
    arguments = parser.parse_args()
    if arguments.command == "schema":
        SCHEMA_FILE.write_text(text())
        print(f"Written: config/{SCHEMA_FILE.name}")
    elif arguments.command == "compose":
        core_compose.COMPOSE_FILE.write_text(core_compose.text())
        print("Written: apps/mail-assistant/compose.yaml")
    else:
        print(table(arguments.system), end="")


if __name__ == "__main__":
    main()

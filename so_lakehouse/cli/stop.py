"""`so-lakehouse stop`: ends the embedded Postgres; the next command that needs it starts it again."""

from __future__ import annotations

import argparse

from so_lakehouse.settings import Settings
from so_lakehouse.warehouse.server import stop


def main(arguments: argparse.Namespace) -> int:
    print("Postgres stopped." if stop(Settings.from_environment()) else "Postgres was not running.")
    return 0

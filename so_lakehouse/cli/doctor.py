"""`so-lakehouse doctor`: prerequisites and connections; exit code 1 where something is missing."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.text import Text

from so_lakehouse.doctor import examine
from so_lakehouse.settings import Settings


def main(arguments: argparse.Namespace) -> int:
    console = Console()
    findings = examine(Settings.from_environment())
    for finding in findings:
        mark = ("fine     ", "green") if finding.fine else ("missing  ", "bold red")
        console.print(Text.assemble(mark, f"{finding.subject:<14}", finding.detail), soft_wrap=True)
    return 0 if all(finding.fine for finding in findings) else 1

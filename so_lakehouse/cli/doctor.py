"""`so-lakehouse doctor`: prerequisites and connections; exit code 1 where something is missing that all work needs."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.text import Text

from so_lakehouse.doctor import State, examine
from so_lakehouse.settings import Settings

STYLES = {State.FINE: "green", State.NOT_THERE: "yellow", State.MISSING: "bold red"}


def main(arguments: argparse.Namespace) -> int:
    console = Console()
    findings = examine(Settings.from_environment())
    for finding in findings:
        mark = (f"{finding.state.value:<11}", STYLES[finding.state])
        console.print(Text.assemble(mark, f"{finding.subject:<14}", finding.detail), soft_wrap=True)
    return 1 if any(finding.state is State.MISSING for finding in findings) else 0

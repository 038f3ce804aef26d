"""What a terminal shows while work goes on, and what a file gets instead."""

from __future__ import annotations

import io
import logging

from rich.console import Console

from so_lakehouse.cli.bars import bar
from so_lakehouse.progress import current


def test_a_terminal_sees_what_is_going_on():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with bar(console, "silver beer"):
        current()("merging posts", 3, 8)
    shown = console.file.getvalue()
    assert "silver beer" in shown
    assert "merging posts" in shown


def test_a_file_gets_warnings_alone():
    console = Console(file=io.StringIO(), force_terminal=False)
    with bar(console, "silver beer"):
        current()("merging posts", 3, 8)
        logging.getLogger("so_lakehouse.lake.lock").warning("waiting to write silver.posts")
    logging.getLogger("so_lakehouse.lake.lock").warning("too late")
    assert console.file.getvalue() == "waiting to write silver.posts\n"

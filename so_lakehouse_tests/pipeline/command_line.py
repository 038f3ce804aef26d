"""Calls of the command line for tests: each a process of its own, in an environment that has only what is named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from so_lakehouse.settings import Settings

SITE = "simulated-brewing"
QUARTER = "2025-10-01"
COMMAND = Path(sys.executable).with_name("so-lakehouse")


def environment(home: Path) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME", "TMPDIR") if name in os.environ}
    return inherited | {"LAKEHOUSE_HOME": str(home), "COLUMNS": "200"}


def call(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *words], env=environment(home) | variables, capture_output=True, text=True, check=False
    )


def call_by_other_rules(home: Path, post: int, *words: str) -> subprocess.CompletedProcess[str]:
    """As `call`, of a release that takes this post too for fabricated."""
    code = f"""
from so_lakehouse.spark import clean
clean.FABRICATED_POST_IDS |= {{{post}}}
from so_lakehouse.cli import main
main()
"""
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, env=environment(home), capture_output=True, text=True, check=False)


def run(home: Path, mirror: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return call(home, "run", "--site", SITE, "--mirror", str(mirror), *words, **variables)


def said(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr


def started(home: Path) -> Counter[str]:
    """How often Java and dbt have been started in this lakehouse, by what each says first in the log of its runs."""
    said_first = {"Using incubator modules": "Java", "Running with dbt=": "dbt"}
    lines = Settings(home=home).run_log.read_text("utf-8").splitlines()
    return Counter(name for line in lines for words, name in said_first.items() if words in line)


def layers(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The layers that a command says it ran."""
    return [line.split()[1] for line in done.stdout.splitlines() if line.startswith("done")]

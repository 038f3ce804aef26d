"""Calls of the command line for tests: each a process of its own, in an environment that has only what is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


def run(home: Path, mirror: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return call(home, "run", "--site", SITE, "--mirror", str(mirror), *words, **variables)


def said(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr

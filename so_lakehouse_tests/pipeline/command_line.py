"""Calls of the command line for tests: processes of their own, in an environment that has only what is named.

One call stays in the process of the tests, for what is dear to start.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from so_lakehouse.cli import parser
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


def call_in_process(
    patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str], home: Path, *words: str
) -> subprocess.CompletedProcess[str]:
    """As `call`, where only the command's own work is of interest: with the Java of this process, which is warm."""
    for name, value in environment(home).items():
        patch.setenv(name, value)
    arguments = parser().parse_args(words)
    capture.readouterr()
    code = importlib.import_module(f"so_lakehouse.cli.{arguments.command}").main(arguments)
    output = capture.readouterr()
    return subprocess.CompletedProcess(words, code, output.out, output.err)


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

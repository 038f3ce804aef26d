"""A process with a Spark driver of its own, for tests of several: what it is told, and what it says.

Belongs here: the test's end. The other one is `converging_process.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from so_lakehouse.settings import PROJECT_ROOT, Settings


class Writer:
    """One process, with these settings; `how`: the words of `converging_process.py`."""

    def __init__(self, settings: Settings, log: Path, *how: str) -> None:
        self.log = log
        command = [sys.executable, "-m", "so_lakehouse_tests.pipeline.converging_process", *how]
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                command,
                cwd=PROJECT_ROOT,
                env=os.environ | environment(settings),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def tell(self, site: str, **more: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"site": site} | more) + "\n")
        self.process.stdin.flush()

    def hear(self, what: str) -> dict[str, Any]:
        """The next message of this kind."""
        assert self.process.stdout
        for line in self.process.stdout:
            message = json.loads(line)
            if message["what"] == what:
                return message
            assert message["what"] != "failed", message
        raise AssertionError(f"the process ended: {self.log.read_text()[-2000:]}")

    def end(self) -> int:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        code = self.process.wait(60)
        self.process.stdout.close()
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, 9)
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream
            stream.close()


def environment(settings: Settings) -> dict[str, str]:
    """The variables that give another process these settings."""
    return {
        field.metadata["variable"]: str(value)
        for field in fields(Settings)
        if (value := getattr(settings, field.name)) != field.default
    }

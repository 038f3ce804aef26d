"""Named places where a test can kill the process, to prove that a re-run ends in the same tables."""

from __future__ import annotations

import os
import signal

from so_lakehouse.settings import Settings


def reach(name: str) -> None:
    """Kills this process without any clean-up where `LAKEHOUSE_FAIL_AT` names this place."""
    if Settings.from_environment().fail_at == name:
        os.kill(os.getpid(), signal.SIGKILL)

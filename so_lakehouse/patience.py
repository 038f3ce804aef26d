"""How long to go on trying a server that fails: bounded, with full jitter, and obeying `Retry-After`."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from so_lakehouse.errors import Unavailable
from so_lakehouse.progress import current

LOG = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class Transient(Exception):
    """A failure that another try can mend; `retry_after` is the least wait in seconds that the server asks for."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def retry_after(header: str) -> float:
    """Seconds that a header `Retry-After` asks to wait, which is a number or a date; 0 where it says nothing."""
    value = header.strip()
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


@dataclass(frozen=True)
class Patience:
    """Tries in a row without progress, and waits in seconds. `sleep` and `monotonic` are the clock that it waits by."""

    tries: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_retry_after: float = 300.0
    connect_timeout: float = 15.0
    read_timeout: float = 60.0  # silence of a connection, not of a download
    deadline: float = math.inf  # of one question with all its tries
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def wait(self, failures: int, error: Transient, waited: float = 0.0) -> None:
        """Sleeps before the next try; raises `Unavailable` where there should be none. `waited`: since the first."""
        if failures >= self.tries:
            times = "once" if failures == 1 else f"{failures} times"
            raise Unavailable(f"{error} Tried {times}; try again later, what has arrived is kept.") from error
        if error.retry_after > self.longest_retry_after:
            raise Unavailable(f"{error} It asks to come back in {error.retry_after:.0f} seconds.") from error
        # Full jitter: many clients that failed together must not come back together.
        jitter = random.uniform(0, min(self.longest_wait, self.first_wait * 2 ** (failures - 1)))
        seconds = max(jitter, error.retry_after)
        if waited + seconds > self.deadline:
            raise Unavailable(
                f"{error} Tried for {waited:.0f} seconds; try again later, what has arrived is kept."
            ) from error
        told = f"{error} Trying again in {seconds:.0f} s (try {failures + 1} of {self.tries})."
        LOG.warning(told)
        current()(told, failures, self.tries)
        self.sleep(seconds)

    def until_answered(self, ask: Callable[[], Answer]) -> Answer:
        """What `ask` returns, trying again while it raises `Transient`."""
        failures, began = 0, self.monotonic()
        while True:
            try:
                return ask()
            except Transient as error:
                failures += 1
                self.wait(failures, error, self.monotonic() - began)

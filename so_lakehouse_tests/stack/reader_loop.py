"""Somebody who reads the same thing again and again while it is published anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby
from typing import TypeVar

Seen = TypeVar("Seen")
PAUSE_SECONDS = 0.02


@contextmanager
def reading(read: Callable[[], Seen]) -> Iterator[list[Seen]]:
    """What was read, in order: for the first time before the block begins, for the last time after it has ended."""
    done, seen = threading.Event(), [read()]

    def go_on() -> None:
        while not done.is_set():
            seen.append(read())
            time.sleep(PAUSE_SECONDS)

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(go_on)
        try:
            yield seen
        finally:
            done.set()
        reader.result()
    seen.append(read())


def in_order(seen: list[Seen]) -> list[Seen]:
    """What was read, each as often as something else had been read before it."""
    return [one for one, _ in groupby(seen)]

"""How long the clients of an object store go on asking a server that is silent, and that nobody else waits for them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from so_lakehouse.errors import Unavailable
from so_lakehouse.lake import delta, lease, object_store, store_patience
from so_lakehouse.lake.object_store import ObjectStore
from so_lakehouse.lake.storage import Lake
from so_lakehouse.lake.store_patience import DELTA, PUBLISHING, Tries


def test_what_is_published_under_a_lock_has_ended_before_another_could_take_it_over():
    # The last try begins just before retries are over; boto3 waits one more second for a server to ask for what is put.
    longest = [
        p.retry_seconds + p.wait_seconds + p.connect_seconds + 1 + p.request_seconds for p in (PUBLISHING, DELTA)
    ]
    assert max(longest) < lease.KILL_SECONDS < lease.TAKE_OVER_SECONDS


@pytest.fixture
def silent_store(monkeypatch) -> Iterator[ObjectStore]:
    """One that takes connections and never says a word; its clients lose patience after a second."""
    monkeypatch.setattr(object_store, "BULK", Tries(1, 1, 1))
    monkeypatch.setattr(object_store, "DELTA", store_patience.Patience(1, 1, 1, 1))
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield ObjectStore(f"http://127.0.0.1:{server.getsockname()[1]}", "key", "secret")


@pytest.mark.parametrize(
    "ask",
    [
        lambda lake: delta.is_table(lake, "silver/posts"),
        lambda lake: delta.open_table(lake, "silver/posts"),
        lambda lake: delta.commits(lake, "silver/posts", range(1)),
    ],
    ids=["is_table", "open_table", "commits"],
)
def test_a_silent_store_does_not_keep_other_threads_waiting(silent_store: ObjectStore, ask: Callable[[Lake], object]):
    """One of them renews the locks."""
    lake, ended, longest = Lake("s3://bucket/lake", silent_store), threading.Event(), 0.0

    def asked() -> None:
        with pytest.raises(Unavailable, match="The object store at http://127"), lake.answering():
            ask(lake)
        ended.set()

    thread = threading.Thread(target=asked)
    thread.start()
    last = begun = time.monotonic()
    while not ended.wait(0.01) and last - begun < 30:
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    thread.join()
    assert ended.is_set()
    assert last - begun > 0.9, "it was silent"
    assert longest < 0.5

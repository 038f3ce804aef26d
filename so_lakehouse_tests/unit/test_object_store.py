"""How long the clients of an object store go on asking a server that is silent."""

from __future__ import annotations

from so_lakehouse.lake import lease
from so_lakehouse.lake.object_store import (
    DELTA_REQUEST_SECONDS,
    DELTA_RETRY_SECONDS,
    DELTA_WAIT_SECONDS,
    PUBLISHING,
)


def test_what_is_published_under_a_lock_has_ended_before_another_could_take_it_over():
    in_delta = DELTA_RETRY_SECONDS + DELTA_WAIT_SECONDS + DELTA_REQUEST_SECONDS
    assert max(PUBLISHING.longest_seconds, in_delta) < lease.KILL_SECONDS < lease.TAKE_OVER_SECONDS

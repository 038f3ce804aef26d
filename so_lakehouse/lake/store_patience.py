"""For how long the clients of an object store go on asking a server that is away, busy or silent: one table of numbers.

Belongs here: tries, seconds, and what they add up to. Not here: how each client is told (`object_store.py`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tries:
    """A client's patience with one request: so many tries, and seconds of silence in each. Between two tries it waits
    at random up to 1, 2, 4, 8, 16 … s."""

    most: int
    connect_seconds: int
    request_seconds: int


@dataclass(frozen=True)
class Patience:
    """The same by the clock: once `retry_seconds` are over no further try is made. The last may have waited for
    `wait_seconds` and takes what a try takes."""

    retry_seconds: int
    wait_seconds: int
    connect_seconds: int
    request_seconds: int


# A store that is away for 23 s is waited for (of a thousand requests one gives up sooner: chance decides how long the
# waits are), and one that puts a large upload together for a minute. Who is refused all the time gives up after one
# minute (pyarrow) or two (boto3), on average.
BULK = Tries(9, 5, 60)
# Of what is put under a name that others read, by boto3 and by deltalake. What is begun after a lock was renewed has
# ended, however it ends, before `lease.KILL_SECONDS` are over.
PUBLISHING = Patience(40, 2, 3, 6)
DELTA = Patience(25, 5, 3, 30)
# Of Spark's SDK. Where that has given up, Hadoop's S3A asks again so many times, and waits half a second, then twice
# as long each time.
SPARK = Tries(6, 5, 60)
S3A_RETRIES = 7

"""What work will take, roughly, before it is started: seconds, bytes and requests, from docs/benchmarks.md.

Belongs here: the figures, each with its source, and the arithmetic. Not here: what is to be done (`dumps/land.py`,
`cli/run_days.py`). All of it is for two cores of the slow machine of the benchmarks, and without the network's time.
"""

from __future__ import annotations

from collections.abc import Sequence

# "One small site": 54.5 s in all. Once per command: starting and ending it (6.4), Spark's JVM (11.8), marts (15.7).
ONCE_SECONDS = 33.9
# Once per dump, the same table: raw 0.5, bronze 4.1, silver without the JVM 14.3, warehouse 1.7.
DUMP_SECONDS = 20.6
# Packed bytes of a real dump for each row in it: 51 (beer 2016-09) to 108 (Stack Overflow 2024-04, 68 GB).
BYTES_PER_ROW = 70
# "Silver", from 250,000 to 4,000,000 posts: (80.1 - 14.4) s on 3,750,000 rows more, and of the next quarter
# (338.1 - 31.4) s on 3,869,974. Rows of other tables are narrower, so this is rather too much.
FIRST_SECONDS_PER_ROW = 17.5e-6
NEXT_SECONDS_PER_ROW = 79.3e-6
# "The dump reader": 35.36 s for 2,001 MB of XML in BZip2, of which a packed byte holds 4.5 (Stack Overflow's posts).
READ_SECONDS_PER_PACKED_BYTE = 0.08e-6
# Bronze: the largest seen on the eight real dumps of 2014-2024 (0.2 to 1.8 MB packed); silver: bicycles.meta 2023-09.
BYTES_PER_PACKED_BYTE = {"bronze": 1.4, "silver": 1.4}

# "The API's quota": one for each order of each method. More on a busy day, and by ids on the newest.
REQUESTS_OF_A_QUIET_DAY = 5
# Of simulated sites, gzip: 1 kB for a page of one row, 11 kB for one of a hundred.
BYTES_OF_A_QUIET_PAGE = 1_000
REQUESTS_A_SECOND = 20  # the pace that the client keeps
# Two runs of the least that a run takes ("One small site", raw again: 0.4), and 0.2 of processor time.
DAY_SECONDS = 1.0
# Once per site: silver with a day of the newest keys on 258,066 posts (14.8), warehouse 1.7.
SITE_OF_DAYS_SECONDS = 16.5


def dump_seconds(packed_bytes: int, is_first: bool) -> float:
    """From a dump to its warehouse; the warehouse as of a small site. `is_first`: silver holds nothing of the site."""
    per_row = FIRST_SECONDS_PER_ROW if is_first else NEXT_SECONDS_PER_ROW
    return DUMP_SECONDS + packed_bytes * (READ_SECONDS_PER_PACKED_BYTE + per_row / BYTES_PER_ROW)


def dump_bytes(packed_bytes: int) -> int:
    """What bronze and silver make of a dump; the warehouse comes on top."""
    return round(packed_bytes * sum(BYTES_PER_PACKED_BYTE.values()))


def day_requests(pages_of_days: Sequence[int]) -> int:
    """Requests for one day of a site: as many as its other days took, of which these are; else as on a quiet day."""
    return round(sum(pages_of_days) / len(pages_of_days)) if pages_of_days else REQUESTS_OF_A_QUIET_DAY


def days_seconds(sites: int, days: int, requests: int) -> float:
    """From the pages of so many days to the warehouse, of all sites together. The API's answers come on top."""
    return sites * SITE_OF_DAYS_SECONDS + days * DAY_SECONDS + requests / REQUESTS_A_SECOND

"""The faults that a served simulation makes on request, by name, as data.

Belongs here: what goes wrong with which answers. Not here: how an answer goes wrong (`api_server.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from so_lakehouse.simulate.api_server import Fault

if TYPE_CHECKING:
    from so_lakehouse.simulate.served import SimulationServer

NO_FAULT = "none"  # takes back what is still to come
THROTTLED = "too many requests from this IP, more requests available in 9 seconds"


@dataclass(frozen=True)
class NamedFault:
    """`faults` makes what the next answers suffer, one fault each."""

    meaning: str
    faults: Callable[[SimulationServer], list[Fault]]


FAULTS: dict[str, NamedFault] = {
    "gateway": NamedFault("502 Bad Gateway three times, then the answer", lambda server: [Fault(status=502)] * 3),
    "throttle-seconds": NamedFault(
        "too many requests, with the seconds to wait", lambda server: [Fault(error_id=502, message=THROTTLED)]
    ),
    "throttle": NamedFault(
        "too many requests, without a time",
        lambda server: [Fault(error_id=502, message="Violation of backoff parameter")],
    ),
    "backoff": NamedFault("a good answer that asks to leave its method alone", lambda server: [Fault(backoff=10)]),
    "html": NamedFault("HTTP 200 with a page of HTML", lambda server: [Fault(status=200)]),
    "truncated": NamedFault("gzip that lacks its end", lambda server: [Fault(cut=9)]),
    "reset": NamedFault("the connection is reset in mid-body", lambda server: [Fault(reset_after=90)]),
    "drip": NamedFault("a byte now and then", lambda server: [Fault(drip=0.002)]),
    "endless": NamedFault("has_more that never ends", lambda server: [Fault(says_more=True)] * 1000),
    "duplicate": NamedFault("the answer before, once more", lambda server: [Fault(repeated=True)]),
    "hidden": NamedFault(
        "a row that was asked for by id is missing, though it is there", lambda server: [Fault(hides=1)]
    ),
    "changing": NamedFault(
        "a day passes for the rows before the answer, whatever the clock says",
        lambda server: [Fault(before=server.live_a_day)],
    ),
    "no-quota": NamedFault("the quota of the day is used up", lambda server: [Fault(before=server.use_up)]),
    "wrong-key": NamedFault(
        "the key is refused", lambda server: [Fault(error_id=400, message="`key` doesn't match a known application")]
    ),
}

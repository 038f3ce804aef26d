"""What is news: incidents that are wrong now against those that people know of.

Belongs here: when an incident begins and when it is over. Not here: how either is found or said.

An incident that goes and comes back within `QUIET` is one incident: who flaps is told of once, and once more when it
has stayed away for that long.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from so_lakehouse.alerts.incident import Incident, Kind

QUIET = timedelta(minutes=10)


@dataclass(frozen=True)
class Known:
    """An incident that people know of. `gone`: since when it has not been seen any more; None while it is."""

    incident: Incident
    since: datetime
    gone: datetime | None = None


@dataclass(frozen=True)
class Changes:
    """`known`: the incidents from now on, by key; `begun` and `ended`: what is to be told."""

    known: dict[str, Known]
    begun: tuple[Known, ...]
    ended: tuple[Known, ...]


def compare(
    known: Mapping[str, Known], found: Iterable[Incident], not_looked_for: Collection[Kind], now: datetime
) -> Changes:
    """What began and what ended since the last look. Of the kinds `not_looked_for` (what tells of them did not answer)
    nothing ends: that it was not found says nothing."""
    seen = {incident.key: incident for incident in found}
    begun = {key: Known(incident, now) for key, incident in seen.items() if key not in known}
    kept, ended = {}, []
    for key, entry in known.items():
        if key in seen:
            kept[key] = replace(entry, gone=None)
        elif entry.incident.kind in not_looked_for:
            kept[key] = entry
        elif now - (entry.gone or now) >= QUIET:
            ended.append(entry)
        else:
            kept[key] = replace(entry, gone=entry.gone or now)
    return Changes(kept | begun, tuple(begun.values()), tuple(ended))

"""An incident and the words in which people hear of it.

Belongs here: what an incident is made of, and its messages. Not here: how one is found (`watch.py`), and when something
is said of it (`changes.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What is wrong, as people read it."""

    RUN_FAILED = "run failed"
    CHECK_FAILED = "blocking check failed"
    SITE_LATE = "site late"
    QUOTA_GONE = "API quota gone"
    RECONCILIATION_BROKEN = "reconciliation broken"


@dataclass(frozen=True)
class Incident:
    """Something that is wrong now. `layer` and `partition` are spelled as Dagster's assets and keys are."""

    kind: Kind
    layer: str
    partition: str
    why: str  # the check's or the exception's own sentence
    next_step: str
    site: str = ""
    tables: tuple[str, ...] = ()
    run: str = ""  # address of the run's page

    @property
    def key(self) -> str:
        """What makes it the same incident at the next look: kind and place, not the words or the run."""
        return f"{self.kind}|{self.layer}|{self.partition}"

    @property
    def title(self) -> str:
        return " · ".join(filter(None, (self.kind, self.layer, self.partition)))


@dataclass(frozen=True)
class Message:
    """What one person gets once. `good_news`: something is over."""

    title: str
    body: str
    good_news: bool = False


PREFIX = "so_lakehouse"
# A receiver is not flooded when all sites are late at once; and services take seconds between two messages.
MOST_SINGLE_MESSAGES = 5
LONGEST_WHY = 1_500  # characters; a traceback stands in the run's own log


def opened(incident: Incident) -> Message:
    """Says what, where, why and the next step."""
    lines = [
        f"What: {incident.kind}",
        f"Where: {_where(incident)}",
        f"Why: {_short(incident.why)}",
        f"Next: {incident.next_step}",
    ]
    return Message(f"{PREFIX}: {incident.title}", "\n".join(lines))


def over(incident: Incident, since: datetime, until: datetime) -> Message:
    """Says that it is over, and how long it lasted."""
    lines = [
        f"What: over: {incident.kind}",
        f"Where: {_where(incident)}",
        f"When: from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC",
    ]
    return Message(f"{PREFIX}: over: {incident.title}", "\n".join(lines), good_news=True)


def gathered(messages: Sequence[Message]) -> list[Message]:
    """The messages themselves, or one that holds them all where they are many; all of them are news of one sort."""
    if len(messages) <= MOST_SINGLE_MESSAGES:
        return list(messages)
    good_news = messages[0].good_news
    title = f"{PREFIX}: {len(messages)} incidents{' are over' if good_news else ''}"
    return [Message(title, "\n\n".join(message.body for message in messages), good_news)]


def _where(incident: Incident) -> str:
    parts = [
        " ".join(filter(None, (incident.layer, incident.partition))),
        f"site {incident.site}" if incident.site else "",
        f"tables {', '.join(incident.tables)}" if incident.tables else "",
        f"run {incident.run}" if incident.run else "",
    ]
    return "; ".join(filter(None, parts))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_WHY else f"{text[:LONGEST_WHY]} … (the rest stands in the run's log)"

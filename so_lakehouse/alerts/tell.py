"""One look and what follows: incidents found, news written down, messages sent.

Belongs here: the order, so that nothing is lost and nothing said twice. What is wrong is `watch.py`'s, what is news is
`changes.py`'s to say.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from so_lakehouse.alerts import changes, incident, record, watch
from so_lakehouse.alerts.addresses import Address, addresses
from so_lakehouse.alerts.record import Letter, Record
from so_lakehouse.alerts.runs import EndedRun, still_failed
from so_lakehouse.clock import Clock
from so_lakehouse.errors import Unavailable
from so_lakehouse.settings import Settings

# A run's end becomes visible a moment after it happened, and clocks of machines differ a little.
OVERLAP = timedelta(minutes=10)
# Failures from before anybody was to be told are news only while they are fresh.
FIRST_LOOK_BACK = timedelta(days=1)
# Dagster ends a tick after 60 s; what was not sent by then is sent by the next.
SENDING_SECONDS = 30.0

NOBODY = "LAKEHOUSE_ALERTS names no address, so nobody is told of anything (docs/alerts.md)."

History = Callable[[datetime], Sequence[EndedRun]]


def tell(settings: Settings, clock: Clock, history: History, now: datetime) -> str:
    """Looks once and sends what is news; returns what was done, for the tick's own page.

    `clock` closes days; `now` is the machine's time, which runs end by. `history(since)`: the runs that ended since
    then. Raises `Unavailable` at the end, with all the rest done, where an address did not take a message (the next
    look sends it again) or a source did not answer (its incidents stay as they were).
    """
    to = addresses(settings)
    if not to:
        return NOBODY
    with record.held(settings.alerts_file) as known:
        if known is None:
            return "Another look is going on; what this one would have seen, the next one sees."
        troubles = _note_news(known, settings, clock, history, now, to)
        known.save()
        sent, refused = _send(known, to)
        told = f"{len(known.known)} incidents are open; {sent} messages were sent, {len(known.letters)} wait."
    if troubles or refused:
        raise Unavailable(" ".join([*map(_sentence, troubles), *refused, told])) from next(iter(troubles), None)
    return told


def _note_news(
    known: Record, settings: Settings, clock: Clock, history: History, now: datetime, to: Sequence[Address]
) -> tuple[Exception, ...]:
    """Looks, and notes what is to be told to whom; returns what stood in the way of looking."""
    since = known.runs_read_to - OVERLAP if known.runs_read_to else now - FIRST_LOOK_BACK

    def read_runs() -> list[incident.Incident]:
        known.failures = still_failed(known.failures, history(since))
        known.runs_read_to = now
        return []

    # Where runs cannot be read, those that were known stay, and the next look reads from the same moment on.
    read = watch.look({"ended runs": watch.Source((), read_runs)})
    seen = watch.look(watch.sources(settings, clock, known.failures))
    news = changes.compare(known.known, seen.found, seen.not_looked_for, now)
    known.known = news.known
    begun = [incident.opened(entry.incident) for entry in news.begun]
    ended = [incident.over(entry.incident, entry.since, entry.gone or now) for entry in news.ended]
    for message in [*incident.gathered(ended), *incident.gathered(begun)]:
        known.letters.append(Letter(message, [address.digest for address in to]))
    return (*read.troubles, *seen.troubles)


def _send(known: Record, to: Sequence[Address]) -> tuple[int, list[str]]:
    """Sends what waits, oldest first; an address that did not take one message is left alone until the next look.

    Returns how many were taken, and what was not, as sentences.
    """
    deadline = time.monotonic() + SENDING_SECONDS
    sent, refused = 0, []
    by_digest = {address.digest: address for address in to}
    silent: set[str] = set()
    for letter in list(known.letters):
        for digest in list(letter.to):
            address = by_digest.get(digest)
            if address is not None and (digest in silent or time.monotonic() > deadline):
                continue
            if address is not None and not address.takes(letter.message):
                silent.add(digest)
                refused.append(f"{address} did not take {letter.message.title!r}; it is sent again at the next look.")
                continue
            sent += address is not None
            letter.to.remove(digest)  # also one that is no address of ours any more
            known.letters = [waiting for waiting in known.letters if waiting.to]
            known.save()
    return sent, refused


def _sentence(trouble: Exception) -> str:
    return f"Could not look at everything: {type(trouble).__name__}: {trouble}"

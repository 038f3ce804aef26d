"""A lakehouse whose people read a webhook, for tests of alerts: looks at a real lake. No Dagster, no Spark.

Runs are told by a list here; `defs/test_alerts.py` has those of a real instance.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from so_lakehouse.alerts.changes import QUIET
from so_lakehouse.alerts.runs import EndedRun
from so_lakehouse.alerts.tell import tell
from so_lakehouse.clock import Clock
from so_lakehouse.lake.manifests import BronzeManifest, CheckOutcome
from so_lakehouse.lake.reconciliation import ALL, Reconciliation, files_of
from so_lakehouse.lake.storage import Lake
from so_lakehouse.quality.reconciliation import outcomes
from so_lakehouse.settings import Settings
from so_lakehouse_tests.receiver import Receiver, receiving

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
QUIET_MINUTES = QUIET / timedelta(minutes=1)


class Team:
    """A lakehouse, and a webhook that its people read."""

    def __init__(self, settings: Settings, receiver: Receiver) -> None:
        self.settings, self.receiver, self.lake = settings, receiver, Lake.of(settings)
        self.runs: list[EndedRun] = []
        self.asked_since: list[datetime] = []

    def look(self, minutes: float = 0) -> str:
        """Looks, so many minutes after noon."""

        def history(since: datetime) -> list[EndedRun]:
            self.asked_since.append(since)
            return [run for run in self.runs if run.ended >= since]

        return tell(self.settings, Clock(self.settings.now), history, NOON + timedelta(minutes=minutes))

    def refuse(self, passed: bool = False) -> None:
        """Bronze reads beer's dump, and a blocking check refuses it, or lets it pass."""
        check = CheckOutcome("rows_conserved", passed, True, "posts of beer: 2 rows are missing. Report it.")
        named = ("2016-10-01", "posts", "2016-12", 1, "2016-12-11", "v", "r", True)
        BronzeManifest("beer", *named, checks=(check,)).save(self.lake)

    def fail(self, site: str = "beer", minutes: float = 0) -> None:
        """A load of the site's warehouse fails."""
        ended, failed = NOON + timedelta(minutes=minutes), frozenset({"warehouse/posts"})
        run = EndedRun(
            f"run {site} {minutes}", "warehouse", site, ended, frozenset(), failed, "The disk is full. Free some."
        )
        self.runs.append(run)

    def reconcile(self, quarter: str, present: int) -> None:
        """Beer's dump of a quarter holds so many of a hundred posts that the API had predicted, no day missing."""
        counts = {"rows_present": present, "rows_missing": 100 - present, "rows_extra": 0}
        checks = outcomes("beer", quarter, {"posts": counts}, {"posts": ()})
        known = ("beer", quarter, "2016-12", 1, {}, files_of(quarter, "beer", "1"), {"posts": []}, checks)
        Reconciliation(*known).save(self.lake, {table.name: [] for table in ALL})


@contextmanager
def team_at(home: Path) -> Iterator[Team]:
    with receiving() as receiver:
        yield Team(Settings(home=home, alerts=receiver.address), receiver)

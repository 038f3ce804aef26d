"""Brings one site of the warehouse to what silver says: by the change feed where it reaches, else whole.

Belongs here: the order of steps and the one transaction around them. Does not belong here: the SQL (`diff.py`), reading
silver (`feed.py`), what may be read (`gate.py`), what was recorded (`record.py`).

Steps: find out what each table needs; stage evidence or rows by binary COPY; compute which rows go and come; note which
months they touch; apply; count both sides; record; commit. Readers see the site before or after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import adbc_driver_manager
from adbc_driver_postgresql import dbapi as adbc

from so_lakehouse import failpoints
from so_lakehouse.errors import CheckFailed, Unavailable
from so_lakehouse.lake.storage import Lake
from so_lakehouse.progress import Progress, silent
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import ddl, diff, record, server
from so_lakehouse.warehouse.feed import FeedGap, SilverTable, Stream, Totals
from so_lakehouse.warehouse.gate import Passed, passed_tables
from so_lakehouse.warehouse.partition import Partition
from so_lakehouse.warehouse.projection import POSTS, PROJECTIONS, Projection
from so_lakehouse.warehouse.projection import projection as projection_named
from so_lakehouse.warehouse.record import Loaded, Task


def load_site(
    lake: Lake, settings: Settings, site: str, tables: Sequence[str] = tuple(PROJECTIONS), progress: Progress = silent
) -> dict[str, Loaded]:
    """Loads the named warehouse tables of a site in one transaction; returns what was done, by table.

    Reads only versions of silver whose checks passed. A table that silver does not offer is `absent`; one whose data is
    here already is `unchanged`. Raises `CheckFailed` where a blocking check refused the site, `Unavailable` where
    Postgres or silver's files fail; the warehouse then keeps what it had.
    """
    wanted = {projection_named(name).name for name in tables}
    ordered = [projection for name, projection in PROJECTIONS.items() if name in wanted]
    passed = passed_tables(lake, site)
    done = {p.name: record.absent(site, p) for p in ordered if p.source not in passed}
    offered = [projection for projection in ordered if projection.source in passed]
    if not offered:
        return done
    silver = {
        source: SilverTable(lake, source, passed[source].version) for source in dict.fromkeys(p.source for p in offered)
    }
    prepared = server.connect(settings)
    ddl.prepare(prepared)
    prepared.close()
    reload: dict[str, str] = {}  # table → why its change feed is of no use
    with _told_in_plain_words(site):
        while True:
            try:
                tasks = _load(settings, site, offered, passed, silver, reload, progress)
                return done | {task.name: task.loaded() for task in tasks}
            except FeedGap as gap:
                reload[gap.table] = str(gap)


def _load(
    settings: Settings,
    site: str,
    offered: Sequence[Projection],
    passed: Mapping[str, Passed],
    silver: Mapping[str, SilverTable],
    reload: Mapping[str, str],
    progress: Progress,
) -> list[Task]:
    with adbc.connect(server.uri(settings)) as connection, connection.cursor() as cursor:
        # One load of a site at a time; a second one then finds nothing to do.
        cursor.execute(f"SELECT pg_advisory_xact_lock(hashtext('so_lakehouse.load'), hashtext({ddl.literal(site)}))")
        tasks = record.tasks(cursor, site, offered, passed, silver, reload)
        pending = [task for task in tasks if task.how != "unchanged"]
        if pending:
            _apply(_Transaction(cursor, site, progress), pending)
        record.finish(cursor, site, tasks)
        failpoints.reach("warehouse.before_commit")
        connection.commit()
        for task in pending:
            if task.apart:  # autovacuum never looks at a partitioned table as a whole
                cursor.execute(f"ANALYZE lake.{task.name}")
        connection.commit()
    return tasks


def _apply(transaction: _Transaction, tasks: Sequence[Task]) -> None:
    apart = [task for task in tasks if task.apart]
    others = [task for task in tasks if not task.apart]
    transaction.begin()
    for task in apart:
        transaction.fill_partition(task)
    for task in others:
        transaction.compare(task)
    compared = [task for task in others if task.changed]
    transaction.touch([task for task in compared if task.name in diff.THREAD_KEYS])
    transaction.collect_thread_months()  # of the threads as they were
    for task in compared:
        transaction.replace_rows(task)
    for task in apart:  # last, because it makes other sites' loads wait for this one's end
        Partition(task.projection, transaction.site).attach(transaction.cursor)
    transaction.collect_thread_months()  # of the threads as they are
    transaction.collect_own_months(apart, compared)
    for task in tasks:
        transaction.count_both_sides(task)


class _Transaction:
    """The open transaction of one site's load: each method is one step."""

    def __init__(self, cursor: adbc.Cursor, site: str, progress: Progress) -> None:
        self.cursor, self.site, self.progress = cursor, site, progress

    def begin(self) -> None:
        self.cursor.execute("CREATE TEMP TABLE touched (id bigint) ON COMMIT DROP")
        self.cursor.execute(
            "CREATE TEMP TABLE changed_month (table_name text, month date,"
            " UNIQUE NULLS NOT DISTINCT (table_name, month)) ON COMMIT DROP"
        )

    def fill_partition(self, task: Task) -> None:
        partition = Partition(task.projection, self.site)
        partition.create(self.cursor)
        task.inserted = self._copy(self._rows(task), partition.name, "append", db_schema_name=partition.schema)
        partition.index(self.cursor)

    def compare(self, task: Task) -> None:
        """Computes which rows go and which come, into temporary tables."""
        projection, name, scoped = task.projection, task.name, task.how == "changes"
        if scoped:
            feed = task.silver.changes(projection, self.site, task.after)
            self._copy(feed, f"evidence_{name}", "create", temporary=True)
            self.cursor.execute(diff.keys_in_question(projection))
            self.cursor.execute(f"ANALYZE scope_{name}")
            self.cursor.execute(diff.desired_from_feed(projection, self.site))
        else:
            self._copy(self._rows(task), f"desired_{name}", "create", temporary=True)
        self.cursor.execute(f"ANALYZE desired_{name}")
        self.cursor.execute(diff.gone(projection, self.site, scoped))
        self.cursor.execute(diff.fresh(projection, self.site, scoped))
        for table in (f"gone_{name}", f"fresh_{name}"):
            self.cursor.execute(f"ANALYZE {table}")
        self.cursor.execute(diff.counts(projection))
        ((gone, fresh, both),) = self.cursor.fetchall()
        task.inserted, task.updated, task.deleted = fresh - both, both, gone - both

    def touch(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            self.cursor.execute(diff.touched_posts(task.projection))
        self.cursor.execute("ANALYZE touched")

    def collect_thread_months(self) -> None:
        self.cursor.execute(diff.thread_months(self.site))

    def collect_own_months(self, apart: Sequence[Task], compared: Sequence[Task]) -> None:
        """Posts and their tags are named through their threads; a table that arrives names every month."""
        for task in apart:
            if task.name not in diff.THREAD_KEYS or task.name == "votes":
                self.cursor.execute(diff.own_months(task.projection, self.site, everything=True))
        for task in compared:
            if not task.projection.per_tag and task.name != POSTS.name:
                self.cursor.execute(diff.own_months(task.projection, self.site, everything=False))
        if any(task.name in diff.THREAD_KEYS for task in apart):
            self.cursor.execute(diff.own_months(POSTS, self.site, everything=True))

    def replace_rows(self, task: Task) -> None:
        self.cursor.execute(diff.delete(task.projection, self.site))
        self.cursor.execute(diff.insert(task.projection))

    def count_both_sides(self, task: Task) -> None:
        """Trusts no feed: deltalake has been seen to report wrong deletions where a file with a deletion vector was
        replaced (docs/decisions.md). A difference after a change feed means reload; after a reload it is a defect."""
        self.cursor.execute(diff.totals(task.projection, self.site))
        ((task.rows, rows, keys),) = self.cursor.fetchall()
        here, there = Totals(int(rows), int(keys)), task.silver.totals(task.projection, self.site)
        if here == there:
            return
        difference = f"lake.{task.name} of {self.site} would hold {here}, silver/{task.projection.source} {there}"
        if task.how == "changes":
            raise FeedGap(task.name, f"the change feed does not add up: {difference}")
        raise CheckFailed(f"{difference}. Nothing was published; this is a defect of the loader: please report it.")

    def _rows(self, task: Task) -> Stream:
        total = task.silver.totals(task.projection, self.site).rows
        what = f"{self.site} {task.name}"
        return task.silver.rows(task.projection, self.site, lambda done: self.progress(what, done, total))

    def _copy(self, stream: Stream, table: str, mode: str, **where: object) -> int:
        try:
            return self.cursor.adbc_ingest(table, stream.reader(), mode, **where)
        except adbc_driver_manager.Error:
            if stream.broken:
                raise stream.broken from None
            raise


@contextmanager
def _told_in_plain_words(site: str) -> Iterator[None]:
    try:
        yield
    except adbc_driver_manager.OperationalError as error:
        raise Unavailable(
            f"Postgres stopped the load of {site}: {str(error).strip()}. "
            "The warehouse keeps what it had; see that Postgres runs and has disk space, then load again."
        ) from error

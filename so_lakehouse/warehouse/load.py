"""Brings one site of the warehouse to what silver says: by the change feed where it reaches, else whole.

Belongs here: the order of steps and the one transaction around them. Does not belong here: the SQL (`diff.py`), reading
silver (`feed.py`), what may be read (`gate.py`), what was recorded (`record.py`).

Steps: find out what each table needs; stage evidence or rows by binary COPY; compute which rows go and come; note which
months they touch; apply; compare with silver, row by row; record; commit. Readers see the site before or after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import adbc_driver_manager
from adbc_driver_postgresql import dbapi as adbc

from so_lakehouse import failpoints
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.lake.storage import Lake
from so_lakehouse.progress import Progress, silent
from so_lakehouse.settings import Settings
from so_lakehouse.sql import literal
from so_lakehouse.warehouse import ddl, diff, record, server
from so_lakehouse.warehouse.feed import FeedGap, SilverTable, Stream
from so_lakehouse.warehouse.gate import Passed, passed_tables
from so_lakehouse.warehouse.partition import Partition
from so_lakehouse.warehouse.projection import POSTS, PROJECTIONS, Projection
from so_lakehouse.warehouse.projection import projection as projection_named
from so_lakehouse.warehouse.record import Loaded, Task
from so_lakehouse.warehouse.verify import equals_silver


def load_site(
    lake: Lake, settings: Settings, site: str, tables: Sequence[str] = tuple(PROJECTIONS), progress: Progress = silent
) -> dict[str, Loaded]:
    """Loads the named warehouse tables of a site in one transaction; returns what was done, by table.

    Reads only versions of silver whose checks passed, and commits only what equals silver, row by row: a table that
    does not, though it was to follow by changes or be left alone, is reloaded; where that does not help, every table is
    `refused`. One that silver does not offer is `absent`; one whose data is here already is `unchanged`.
    Raises `BadInput` where silver offers none of them, `CheckFailed` where a blocking check of silver's refused the
    site, `Unavailable` where Postgres or silver's files fail; the warehouse then keeps what it had.
    """
    wanted = {projection_named(name).name for name in tables}
    ordered = [projection for name, projection in PROJECTIONS.items() if name in wanted]
    passed = passed_tables(lake, site)
    done = {p.name: record.absent(site, p) for p in ordered if p.source not in passed}
    offered = [projection for projection in ordered if projection.source in passed]
    if not offered:
        raise BadInput(
            f"There is nothing to load of {site}: silver has no {', '.join(done)} of it whose checks passed. "
            f"Take the site in first: so-lakehouse run --site {site}, or run silver of {site}."
        )
    silver = {
        source: SilverTable(lake, source, passed[source].version) for source in dict.fromkeys(p.source for p in offered)
    }
    prepared = server.connect(settings)
    ddl.prepare(prepared)
    prepared.close()
    reload: dict[str, str] = {}  # table → why it must be made anew
    with _told_in_plain_words(site):
        while True:
            try:
                tasks = _load(settings, site, offered, passed, silver, reload, progress)
            except FeedGap as gap:
                reload[gap.table] = str(gap)
                continue
            anew = {
                task.name: _why_anew(task) for task in tasks if task.differs and task.how in ("changes", "unchanged")
            }
            if not anew:
                break
            reload |= anew
        if any(task.differs for task in tasks):
            return done | _refuse(settings, site, tasks)
    return done | {task.name: task.loaded() for task in tasks}


def _why_anew(task: Task) -> str:
    """Trusts no feed: deltalake has been seen to report wrong deletions where a file with a deletion vector was
    replaced (docs/decisions.md). Nor does it trust that nobody wrote into the warehouse."""
    cause = "the change feed does not add up" if task.how == "changes" else "somebody changed the warehouse"
    return f"{cause}: {task.check.detail if task.check else ''}"


def _load(
    settings: Settings,
    site: str,
    offered: Sequence[Projection],
    passed: Mapping[str, Passed],
    silver: Mapping[str, SilverTable],
    reload: Mapping[str, str],
    progress: Progress,
) -> list[Task]:
    """One attempt; commits where every table equals silver, and changes nothing where one differs."""
    with adbc.connect(server.uri(settings)) as connection, connection.cursor() as cursor:
        # One load of a site at a time; a second one then finds nothing to do.
        cursor.execute(f"SELECT pg_advisory_xact_lock(hashtext('so_lakehouse.load'), hashtext({literal(site)}))")
        tasks = record.tasks(cursor, site, offered, passed, silver, reload)
        pending = [task for task in tasks if task.how != "unchanged"]
        transaction = _Transaction(cursor, site, progress)
        if pending:
            _apply(transaction, pending)
        for task in tasks:
            if not task.apart:
                transaction.compare_with_silver(task)
        if any(task.differs for task in tasks):
            connection.rollback()
            return tasks
        record.finish(cursor, site, tasks)
        failpoints.reach("warehouse.before_commit")
        connection.commit()
        for task in pending:
            if task.apart:  # autovacuum never looks at a partitioned table as a whole
                cursor.execute(f"ANALYZE lake.{task.name}")
        connection.commit()
    return tasks


def _refuse(settings: Settings, site: str, tasks: Sequence[Task]) -> dict[str, Loaded]:
    with adbc.connect(server.uri(settings)) as connection, connection.cursor() as cursor:
        refused = record.refuse(cursor, site, tasks)
        connection.commit()
    return refused


def _apply(transaction: _Transaction, tasks: Sequence[Task]) -> None:
    apart = [task for task in tasks if task.apart]
    others = [task for task in tasks if not task.apart]
    transaction.begin()
    for task in apart:
        transaction.fill_partition(task)
        transaction.compare_with_silver(task, Partition(task.projection, transaction.site).qualified)
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

    def compare_with_silver(self, task: Task, table: str = "") -> None:
        task.check = equals_silver(self.cursor, task.silver, task.projection, self.site, table)
        task.rows = task.check.metadata["rows"]

    def _rows(self, task: Task) -> Stream:
        total = task.silver.count(task.projection, self.site)
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
            f"Postgres stopped the load of {site}: {' '.join(str(error).split())}. "
            "The warehouse keeps what it had; see that Postgres runs and has disk space, then load again."
        ) from error

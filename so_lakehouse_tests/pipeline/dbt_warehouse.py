"""A warehouse with hand-made rows and real dbt runs on it, for the tests of the dbt project.

`Community` is a site as its tables would say it, small enough to read. `DbtWarehouse.load` puts one into schema `lake`
and names what changed as the loader promises to, by its own few lines: the loader itself has its own tests.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from dbt.cli.main import dbtRunner
from psycopg2.extras import execute_values

from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.warehouse import ddl, embedded, server
from so_lakehouse.warehouse.projection import PROJECTIONS

PROJECT = PROJECT_ROOT / "dbt_project"


@dataclass(frozen=True)
class Post:
    id: int
    at: str
    parent: int | None = None
    owner: int | None = 1
    accepted: int | None = None
    tags: tuple[str, ...] = ()
    score: int = 0
    kind: int | None = None

    @property
    def thread(self) -> int:
        return self.parent or self.id

    @property
    def month(self) -> date:
        return datetime.fromisoformat(self.at).date().replace(day=1)

    @property
    def type_id(self) -> int:
        return self.kind or (2 if self.parent else 1)


@dataclass
class Community:
    """`votes` are (post, vote type, day). Counters and votes reach as far as rows, where `counters_complete_to` (of a
    dump, which days of the API follow) does not say less."""

    site: str
    complete_to: str
    posts: dict[int, Post] = field(default_factory=dict)
    votes: set[tuple[int, int, str]] = field(default_factory=set)
    users: set[int] = field(default_factory=lambda: {-1, 1, 2, 3})
    counters_complete_to: str = ""

    def add(self, *posts: Post) -> None:
        self.posts.update({post.id: post for post in posts})

    def edit(self, id: int, **changes: Any) -> None:
        self.posts[id] = replace(self.posts[id], **changes)

    def copy(self) -> Community:
        return replace(self, posts=dict(self.posts), votes=set(self.votes), users=set(self.users))

    def changed_months(self, before: Community | None) -> set[date]:
        """Months of all posts, before and after, of every thread that a post, tag or vote of differs."""
        earlier = before or Community(self.site, self.complete_to)
        posts = earlier.posts | self.posts
        different = {id for id in posts if earlier.posts.get(id) != self.posts.get(id)}
        different |= {vote[0] for vote in earlier.votes ^ self.votes}
        threads = {
            post.thread for world in (earlier, self) for id in different if (post := world.posts.get(id)) is not None
        }
        both = [*earlier.posts.values(), *self.posts.values()]
        return {post.month for post in both if post.thread in threads}


class DbtWarehouse:
    """An embedded Postgres with schema `lake`, and dbt. `target` keeps dbt's parsed project between runs."""

    def __init__(self, settings: Settings, target: Path) -> None:
        self.settings = settings
        self.connection = server.connect(settings)
        self.target = target
        self.loaded: dict[str, Community] = {}
        ddl.prepare(self.connection)
        self.connection.autocommit = True

    def query(self, sql: str) -> list[tuple]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def reset(self) -> None:
        """As on the first day: nothing loaded, nothing built."""
        for schema in ("core", "marts_build", "intermediate", "staging", "test_failures"):
            self.query(f"drop schema if exists {schema} cascade")
        for table in [*PROJECTIONS, "load_status", "changed"]:
            self.query(f"truncate lake.{table}")
        self.loaded = {}

    def load(self, community: Community, whole_site: bool = False) -> int:
        """Makes `lake` hold this community; returns the load's id. `whole_site` names all months, as a reload does."""
        before = self.loaded.get(community.site)
        months = community.changed_months(None if whole_site else before)
        if whole_site and before is not None:
            months |= before.changed_months(None)
        site, posts = community.site, community.posts.values()
        tagged = Counter(tag for post in posts for tag in post.tags)
        rows: dict[str, list[tuple]] = {
            "posts": [
                (
                    site,
                    post.id,
                    post.type_id,
                    post.accepted,
                    post.parent,
                    post.at,
                    post.score,
                    post.owner,
                    not post.owner,
                )
                for post in posts
            ],
            "post_tags": [(site, post.id, tag) for post in posts for tag in post.tags],
            "users": [(site, user, "2019-01-01T00:00:00Z", 1) for user in community.users],
            "votes": [(site, post, kind, day, 1, 0) for post, kind, day in community.votes],
            "tags": [(site, number, tag, count) for number, (tag, count) in enumerate(sorted(tagged.items()), 1)],
        }
        counters = community.counters_complete_to or community.complete_to
        whole = {table: community.complete_to if table in SERVED else counters for table in COLUMNS}
        load_id = self.query("select coalesce(max(load_id), 0) + 1 from lake.changed")[0][0]
        with self.connection.cursor() as cursor:
            cursor.execute("begin")
            for table, columns in COLUMNS.items():
                if PROJECTIONS[table].partitioned:
                    partition = f'lake_partition."{table}_{site}"'
                    cursor.execute(
                        f"create table if not exists {partition} partition of lake.{table} for values in (%s)", (site,)
                    )
                cursor.execute(f"delete from lake.{table} where site = %s", (site,))
                execute_values(cursor, f"insert into lake.{table} ({columns}) values %s", rows[table])
                cursor.execute(
                    "insert into lake.load_status (site, table_name, lake_table_id, lake_version, data_version,"
                    " projection, rows, complete_to, counters_complete_to, load_id)"
                    " values (%s, %s, 'table', %s, %s, 'projection', %s, %s, %s, %s)"
                    " on conflict (site, table_name) do update set rows = excluded.rows,"
                    " complete_to = excluded.complete_to, counters_complete_to = excluded.counters_complete_to,"
                    " load_id = excluded.load_id",
                    (site, table, load_id, f"v{load_id}", len(rows[table]), whole[table], counters, load_id),
                )
            changed = [(site, "posts", month, load_id) for month in months] + [(site, "tags", None, load_id)]
            execute_values(cursor, "insert into lake.changed (site, table_name, month, load_id) values %s", changed)
            cursor.execute("commit")
        self.loaded[site] = community.copy()
        return load_id

    def dbt(self, *arguments: str, project: Path = PROJECT) -> dict[str, str]:
        """Runs dbt in this process; returns status by name of node (success, pass, fail, warn, error, skipped)."""
        result = invoke(project, self.target / project.name, *arguments)
        return {run.node.name: str(run.status) for run in result if run.node.resource_type != "operation"}

    def build(self, *arguments: str, project: Path = PROJECT) -> dict[str, str]:
        """`dbt build` without the unit tests, which have a test of their own."""
        return self.dbt("build", "--exclude-resource-type", "unit_test", *arguments, project=project)

    def snapshot(self) -> dict[str, list[tuple]]:
        """All rows of every table that dbt builds incrementally, in a fixed order."""
        return {table: sorted(self.query(f"select * from {table}"), key=repr) for table in INCREMENTAL}


def invoke(project: Path, target: Path, *arguments: str) -> Any:
    """One dbt command's result; an exception of dbt's is raised.

    dbt moves the working directory into its project; what runs after it in this process gets its own back.
    """
    with warnings.catch_warnings(), chdir("."):
        warnings.simplefilter("ignore")  # those of dbt's own libraries; what it says of the project is its output
        folders = (
            "--project-dir",
            project,
            "--profiles-dir",
            project,
            "--target-path",
            target,
            "--log-path",
            target / "logs",
        )
        done = dbtRunner().invoke(["--quiet", *arguments, *map(str, folders)])
    if done.exception is not None:
        raise done.exception
    return done.result


@contextmanager
def running_warehouse() -> Iterator[DbtWarehouse]:
    """A warehouse on an embedded server of its own, and the environment that leads dbt to it.

    Not below pytest's folder for temporary files: another pytest that starts locks the server's account out of it.
    """
    with TemporaryDirectory(prefix="dbt_warehouse_") as folder, pytest.MonkeyPatch.context() as patch:
        settings = Settings(home=Path(folder) / "home")
        for variable, value in server.dbt_environment(settings).items():
            patch.setenv(variable, value)
        warehouse = DbtWarehouse(settings, Path(folder) / "target")
        yield warehouse
        warehouse.connection.close()
        embedded.stop(settings.postgres_folder)


COLUMNS = {
    "posts": "site, id, post_type_id, accepted_answer_id, parent_id, creation_date, score, owner_user_id,"
    " owner_is_deleted",
    "post_tags": "site, post_id, tag",
    "users": "site, id, creation_date, reputation",
    "votes": "site, post_id, vote_type_id, day, n, bounty_amount",
    "tags": "site, id, tag_name, count",
}

SERVED = {"posts", "post_tags", "users"}  # of these days of the API tell rows; the others are as of the dump

INCREMENTAL = (
    "core.fct_question",
    "core.fct_answer",
    "core.dim_tag",
    "marts_build.activity_month",
    "marts_build.tag_month",
    "marts_build.top_tags",
)


def brewery(site: str = "beer") -> Community:
    """Four threads over three months: a self-answer, a deleted asker, an accepted answer, an unanswered question."""
    community = Community(site, complete_to="2020-03-31T23:59:59.999999Z")
    community.add(
        Post(1, "2020-01-05T10:00:00Z", owner=1, tags=("hops", "malt"), accepted=3),
        Post(2, "2020-01-05T11:00:00Z", parent=1, owner=1),
        Post(3, "2020-01-05T14:00:00Z", parent=1, owner=2, score=4),
        Post(4, "2020-01-20T10:00:00Z", owner=None, tags=("malt",)),
        Post(5, "2020-02-02T10:00:00Z", parent=4, owner=3),
        Post(6, "2020-02-10T10:00:00Z", owner=2, tags=("hops",)),
        Post(7, "2020-03-28T10:00:00Z", owner=3, tags=("yeast",)),
        Post(8, "2020-03-28T12:00:00Z", parent=7, owner=1),
    )
    community.votes = {(3, 1, "2020-01-06"), (3, 2, "2020-01-07"), (99, 2, "2020-01-07")}
    return community

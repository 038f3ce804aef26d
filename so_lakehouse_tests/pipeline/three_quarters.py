"""A site over three quarters, with a person who is gone after the first: for tests of maintenance.

`history` makes the lakehouse once, in five states; tests work on copies (fixture `after`).
"""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import SparkSession

from so_lakehouse.lake import paths, tiny
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.spark.converge import converge
from so_lakehouse.spark.maintenance import maintain
from so_lakehouse_tests.pipeline.evidence import write_dump, write_pages
from so_lakehouse_tests.pipeline.lake_traces import traces

SEPTEMBER, DECEMBER, MARCH = "2016-09-11", "2016-12-11", "2017-03-13"
PURGED, EXPIRED = "purged", "expired"
TABLES = ("posts", "users", "comments")

# The person who is deleted after September: the highest key, so that Delta's statistics tell it too.
PERSON = 987_654_321
NAME, ABOUT, TITLE, TEXT = "Wilhelmine Übelhör", "Brews in Quedlinburg", "Gruit without gale", "My grandmother's gruit"
TIMES = re.compile(r'("(?:timestamp|modificationTime|deletionTimestamp)":)(\d+)')  # in a commit of Delta's
# Who wrote a comment that only a page told, between September and December.
GUEST = "Hrotsvit of Gandersheim"
NEEDLES: list[str | int] = [PERSON, NAME, ABOUT, TITLE, TEXT, GUEST]
# In rows that never came into silver: which bronze could not read, and which cleaning refused, of a dump and of a page.
REFUSED: list[str | int] = ["Unreadable of Bingen", "Untyped of Bingen", "Undated of Bingen"]


@dataclass(frozen=True)
class Site:
    """A copy of a lakehouse that holds beer; names and texts about people are kept in silver."""

    home: Path

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home, keep_personal=True)

    @property
    def lake(self) -> Lake:
        return Lake(self.settings.lake_uri)

    def rows(self) -> dict[str, list]:
        """Every row of silver that is not about Delta's own versions."""
        return {
            table: query_lake(self.lake, f"select * from silver.{table} order by 1, 2, 3, 4").to_pylist()
            for table in (*TABLES, "tombstones", "ledger")
        }

    def table(self, name: str, version: int | None = None) -> DeltaTable:
        return DeltaTable(self.lake.uri(paths.silver(name)), version=version)

    def let_age(self, days: int) -> None:
        """As if everything in silver had been written that much earlier. Not on a lakehouse whose log has expired:
        checkpoints are removed, they would say when it was."""
        seconds = days * 86_400
        moment = time.time() - seconds
        silver = Path(self.lake.path("silver"))
        for file in [*silver.glob("*/_delta_log/*checkpoint*"), *silver.glob("*/_delta_log/.*.crc")]:
            file.unlink(missing_ok=True)
        for commit in silver.glob("*/_delta_log/*.json"):
            commit.write_text(TIMES.sub(lambda told: f"{told[1]}{int(told[2]) - 1000 * seconds}", commit.read_text()))
        for file in silver.rglob("*"):
            os.utime(file, (moment, moment))

    def traces(self, needles: list[str | int] = NEEDLES) -> list[str]:
        return traces(Path(self.lake.root), needles)


def dump(lake: Lake, cut: str) -> None:
    """200 posts; the person is in September's dump only, and so is what the person wrote. So are the refused rows."""
    month = int(cut[5:7])
    posts = [{"Id": key, "Score": month if key < 120 else 0, "OwnerUserId": 1} for key in range(1, 200)]
    users = [{"Id": key, "DisplayName": f"user {key}", "Views": month} for key in range(1, 40)]
    comments = [{"Id": key, "Text": f"comment {key}"} for key in range(1, 40)]
    unread = {}
    if cut == SEPTEMBER:
        unread["posts"] = {201: f'<row Title="{REFUSED[0]}"'.encode()}
        posts.append({"Id": 202, "PostTypeId": 99, "Title": REFUSED[1]})
        said = [
            ("2016-09-21", {"Id": 41, "UserDisplayName": GUEST}),
            ("2016-09-21", {"Id": 42, "CreationDate": None, "Text": REFUSED[2]}),
        ]
        write_pages(lake, "comments", "2016-09-20", said)
        posts.append({"Id": 200, "OwnerUserId": PERSON, "Title": TITLE})
        users.append({"Id": PERSON, "DisplayName": NAME, "AboutMe": ABOUT})
        comments.append({"Id": 40, "UserId": PERSON, "Text": TEXT})
    write_dump(lake, cut, {"posts": posts, "users": users, "comments": comments}, unread=unread)


def history(spark: SparkSession, folder: Path) -> dict[str, Path]:
    """Homes of the lakehouse after each quarter, after maintenance (purged), and after maintenance 40 days later, when
    the retention is over (expired). Another site came along with the first quarter; nothing happened to it since."""
    site = Site(folder / "now")
    after: dict[str, Path] = {}

    def keep(state: str) -> None:
        after[state] = Path(shutil.copytree(site.home, site.home.with_name(state)))

    write_dump(site.lake, SEPTEMBER, {"users": [{"Id": 5}]}, site="ai")
    converge(spark, site.lake, "ai", ["users"], site.settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "TINY_ROWS", 0)  # rows are marked as gone, as in larger tables
        for cut in (SEPTEMBER, DECEMBER, MARCH):
            dump(site.lake, cut)
            converge(spark, site.lake, "beer", TABLES, site.settings)
            keep(cut)
    maintain(spark, site.lake, "beer", site.settings)
    keep(PURGED)
    aged = Site(Path(shutil.copytree(site.home, folder / EXPIRED)))  # Spark knows the times of the other's commits
    aged.let_age(days=40)
    maintain(spark, aged.lake, "beer", aged.settings)
    return after | {EXPIRED: aged.home}


def rows_of(delta: DeltaTable, sql: str) -> list[dict]:
    """Rows of one version of a table, which the query calls `old`."""
    found = QueryBuilder().register("old", delta).execute(sql)
    return pa.RecordBatchReader.from_stream(found).read_all().to_pylist()

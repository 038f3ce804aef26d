"""The command line as people use it: what it prints, kills and re-runs, and the commands that README names."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from so_lakehouse.lake import gates
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.simulate.dumps import write_mirror
from so_lakehouse.spark import clean, session
from so_lakehouse.warehouse.projection import PROJECTIONS
from so_lakehouse.warehouse.query import query_warehouse
from so_lakehouse_tests.pipeline.command_line import (
    COMMAND,
    QUARTER,
    SITE,
    call,
    call_in_process,
    environment,
    layers,
    run,
    said,
    started,
)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mirror")
    write_mirror(folder, [SITE], [QUARTER], people=60)
    return folder


def test_a_plan_says_what_it_would_take_and_starts_nothing(mirror, tmp_path):
    done = run(tmp_path / "home", mirror, "--plan")
    assert done.returncode == 0, said(done)
    [row] = [line for line in done.stdout.splitlines() if SITE in line]
    assert re.search(r"[1-9][\d.]* (kB|MB) .* [1-9][\d.]* (kB|MB) .* [1-9]\d* s ", row), row
    assert not (tmp_path / "home").exists()


# Each run dies at the next one and starts where the one before left off. Kills while bronze writes, before the
# warehouse's commit, and before and in the publishing of marts have tests beside those of their layers.
FAIL_POINTS = ("raw.before_manifest", "silver.posts_written")

MARTS = ("activity_month", "tag_month", "top_tags")


def contents(home: Path) -> dict[str, list]:
    """Every row of silver, warehouse and marts, without the times of the runs themselves."""
    settings = Settings(home=home)
    found = {}
    for table in TABLES:
        rows = query_lake(Lake(settings.lake_uri), f"select * from silver.{table}").to_pylist()
        found[f"silver.{table}"] = sorted(json.dumps(row, default=str, sort_keys=True) for row in rows)
    for name in [*(f"lake.{table}" for table in PROJECTIONS), *(f"marts.{mart}" for mart in MARTS)]:
        rows = query_warehouse(settings, f"select * from {name}").to_pylist()
        found[name] = sorted(json.dumps(row, default=str, sort_keys=True) for row in rows)
    return found


class Undisturbed(NamedTuple):
    """A lakehouse after one run, what that run printed, and what it started."""

    home: Path
    done: subprocess.CompletedProcess[str]
    started: Counter[str]


@pytest.fixture(scope="module")
def undisturbed(mirror, tmp_path_factory) -> Undisturbed:
    home = tmp_path_factory.mktemp("undisturbed")
    return Undisturbed(home, run(home, mirror), started(home))


ONCE = Counter(("Java", "dbt"))


def test_a_run_starts_java_once_and_dbt_once(undisturbed):
    assert undisturbed.started == ONCE


def test_a_run_prints_rows_quarantined_and_seconds_per_layer(undisturbed):
    done = undisturbed.done
    assert done.returncode == 0, said(done)
    for layer in ("raw", "bronze", "silver", "warehouse", "marts"):
        assert layer in done.stdout
    assert "quarantined" in done.stdout
    assert "seconds" in done.stdout
    assert "Warning" not in said(done)


def test_runs_killed_on_the_way_end_in_the_same_tables(mirror, undisturbed, tmp_path):
    home = tmp_path / "home"
    for place in FAIL_POINTS:
        killed = run(home, mirror, LAKEHOUSE_FAIL_AT=place)
        assert killed.returncode == -9, f"{place}: {said(killed)}"
    finished = run(home, mirror)
    assert finished.returncode == 0, said(finished)
    assert contents(home) == contents(undisturbed.home)


def test_the_same_run_again_changes_nothing_and_starts_neither_java_nor_dbt(mirror, undisturbed, monkeypatch, capfd):
    before, dbt = contents(undisturbed.home), started(undisturbed.home)["dbt"]
    monkeypatch.setattr(session, "open_session", lambda settings: pytest.fail("Java was asked for"))
    monkeypatch.setenv("LAKEHOUSE_MIRROR", str(mirror))
    again = call_in_process(monkeypatch, capfd, undisturbed.home, "run", "--site", SITE, "--mirror", str(mirror))
    assert again.returncode == 0, said(again)
    assert layers(again) == ["raw", "bronze", "silver", "warehouse", "marts"]
    assert started(undisturbed.home)["dbt"] == dbt
    assert contents(undisturbed.home) == before


def test_a_rebuild_by_other_rules_goes_on_to_the_marts_and_one_by_todays_brings_everything_back(
    undisturbed, monkeypatch, capfd
):
    home = undisturbed.home
    before = contents(home)
    questions = "select sum(questions) as n from marts.activity_month"
    [told] = query_warehouse(Settings(home=home), questions).to_pylist()
    post = query_lake(Lake(Settings(home=home).lake_uri), "select min(Id) as id from silver.posts where PostTypeId = 1")

    with monkeypatch.context() as patch:  # another release's rules: they take this post too for fabricated
        patch.setattr(clean, "FABRICATED_POST_IDS", clean.FABRICATED_POST_IDS | {post["id"][0].as_py()})
        done = call_in_process(patch, capfd, home, "rebuild", "--site", SITE)
    assert done.returncode == 0, said(done)
    assert layers(done) == ["silver", "warehouse", "marts"]
    assert query_warehouse(Settings(home=home), questions).to_pylist() == [{"n": told["n"] - 1}]
    after = contents(home)
    assert {name for name in before if name.startswith("silver.") and after[name] != before[name]} == {"silver.posts"}

    done = call_in_process(monkeypatch, capfd, home, "rebuild", "--site", SITE, "--table", "posts", "tags")
    assert done.returncode == 0, said(done)
    assert layers(done) == ["silver", "warehouse", "marts"]
    assert contents(home) == before
    ledger = "select table_name, count(*) as n from silver.ledger group by table_name"
    times = {row["table_name"]: row["n"] for row in query_lake(Lake(Settings(home=home).lake_uri), ledger).to_pylist()}
    assert times == {table: 3 if table in ("posts", "tags") else 2 for table in TABLES}


@pytest.mark.parametrize(
    ("words", "answer"),
    [(("--site", "nowhere"), "run --site nowhere"), (("--site", SITE, "--table", "post"), "post_history")],
)
def test_a_rebuild_of_what_is_not_there_says_what_is(undisturbed, words, answer):
    done = call(undisturbed.home, "rebuild", *words)
    assert done.returncode == 1
    assert answer in said(done)
    assert "Traceback" not in said(done)


def test_status_shows_every_layer_of_the_site(undisturbed):
    done = call(undisturbed.home, "status")
    assert done.returncode == 0, said(done)
    for word in (SITE, "raw", "bronze", "silver", "warehouse", "2025-12-31"):
        assert word in done.stdout


def test_sql_answers_from_marts_and_from_the_lake_in_every_format(undisturbed):
    home = undisturbed.home
    as_json = call(home, "sql", "select count(*) as n from marts.activity_month", "--format", "json")
    assert json.loads(as_json.stdout)[0]["n"] > 0, said(as_json)
    query = 'select "Id" from silver.posts order by 1 limit 2'
    no_java = {"JAVA_HOME": "/none", "PATH": str(COMMAND.parent)}
    as_csv = call(home, "sql", "--lake", query, "--format", "csv", **no_java)
    assert as_csv.stdout.splitlines()[0] == "Id", said(as_csv)
    assert len(as_csv.stdout.splitlines()) == 3
    as_table = call(home, "sql", "select site from marts.activity_month limit 1")
    assert SITE in as_table.stdout


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("sql", "select * from marts.no_such_mart"), "no_such_mart"),
        (("sql", "delete from marts.activity_month"), "read"),
        (("sql", "--lake", "select * from silver.no_such_table"), "silver.posts"),
        (("sql", "selec 1"), "selec"),
    ],
)
def test_a_query_that_cannot_be_answered_says_why_without_a_traceback(undisturbed, words, answer):
    done = call(undisturbed.home, *words)
    assert done.returncode == 1
    assert answer in said(done)
    assert "Traceback" not in said(done)


def test_doctor_finds_everything_it_needs_also_without_a_network(undisturbed):
    nobody = "http://127.0.0.1:9"
    done = call(undisturbed.home, "doctor", LAKEHOUSE_ARCHIVE_ORG=nobody, LAKEHOUSE_API=nobody)
    assert done.returncode == 0, said(done)
    states = [line[:11].strip() for line in done.stdout.splitlines()]
    assert states == ["fine"] * (len(states) - 2) + ["not there"] * 2


def test_postgres_gone_is_said_and_the_lake_keeps_what_it_has(mirror, undisturbed):
    home = undisturbed.home
    before = {path: path.stat().st_mtime for path in (home / "lake").rglob("*")}
    nobody = {"LAKEHOUSE_POSTGRES": "postgresql://nobody@127.0.0.1:9/none"}
    for done in (run(home, mirror, **nobody), call(home, "rebuild", "--site", SITE, **nobody)):
        assert done.returncode == 1
        assert "Postgres does not answer" in said(done)
        assert "Traceback" not in said(done)
    assert before == {path: path.stat().st_mtime for path in (home / "lake").rglob("*")}


BROWSED = """{ assetNodes {
  assetKey { path } dependencyKeys { path } dependedByKeys { path } partitionKeys partitionStats { numMaterialized }
  assetMaterializations(limit: 1) {
    partition
    metadataEntries {
      label
      ... on IntMetadataEntry { intValue }
      ... on TableColumnLineageMetadataEntry { lineage { columnName columnDeps { assetKey { path } columnName } } }
    }
  }
  assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } }
} }"""


@pytest.fixture(scope="module")
def nodes(undisturbed) -> dict[str, dict]:
    """What the page of `so-lakehouse dev` knows of each asset."""
    port = free_port()
    with subprocess.Popen([COMMAND, "dev", "--port", str(port)], env=environment(undisturbed.home)) as dev:
        try:
            answer = until_answered(f"http://127.0.0.1:{port}/graphql", BROWSED)
        finally:
            dev.send_signal(signal.SIGINT)
            dev.wait(60)
    return {"/".join(node["assetKey"]["path"]): node for node in answer["data"]["assetNodes"]}


def last_metadata(node: dict) -> dict[str, dict]:
    """By label, of the newest materialization."""
    return {entry["label"]: entry for entry in node["assetMaterializations"][0]["metadataEntries"]}


def test_dev_shows_the_lineage_from_the_dump_to_the_published_marts_both_ways(nodes):
    above, below = (
        {name: {"/".join(key["path"]) for key in node[side]} for name, node in nodes.items()}
        for side in ("dependencyKeys", "dependedByKeys")
    )
    models = ("staging/stg_posts", "intermediate/int_question", "core/fct_question", "marts/activity_month")
    steps = list(pairwise(("silver/posts", "warehouse/posts", *models, "marts/published")))
    for table in TABLES:
        steps += pairwise(("raw/dump", f"bronze/dump/{table}", f"silver/{table}"))
    for upper, lower in steps:
        assert upper in above[lower]
        assert lower in below[upper]


def test_dev_shows_which_partition_is_here(nodes):
    for name in ("raw/dump", "bronze/dump/posts", "silver/posts", "warehouse/posts"):
        node = nodes[name]
        assert node["partitionStats"]["numMaterialized"] == 1, name
        assert node["assetMaterializations"][0]["partition"] in node["partitionKeys"], name


def test_dev_shows_how_many_rows_each_table_has(nodes, undisturbed):
    held = contents(undisturbed.home)
    for table in TABLES:
        shown = last_metadata(nodes[f"silver/{table}"])["dagster/partition_row_count"]["intValue"]
        assert shown == len(held[f"silver.{table}"]), table


def test_dev_shows_what_each_check_found(nodes, undisturbed):
    shown = {
        f"{name}:{check['name']}": (check["executionForLatestMaterialization"] or {}).get("status")
        for name, node in nodes.items()
        if name.startswith(("bronze/dump", "silver", "warehouse", "marts"))
        for check in node["assetChecksOrError"]["checks"]
    }
    # Silver warns where a test before this one has taken the oldest post away and brought it back.
    found = {
        f"silver/{table}:{check.name}": "SUCCEEDED" if check.passed else "FAILED"
        for table, gate in gates.load(Lake(Settings(home=undisturbed.home).lake_uri), SITE).items()
        for check in gate.checks
    }
    assert len(found) > 50
    assert {name: status for name, status in shown.items() if name in found} == found
    assert {name for name, status in shown.items() if status == "FAILED"} <= found.keys()
    assert {"bronze", "silver", "warehouse", "marts"} == {
        name.partition("/")[0] for name, status in shown.items() if status == "SUCCEEDED"
    }


def test_dev_shows_which_columns_a_column_of_the_marts_is_made_of(nodes):
    lineage = last_metadata(nodes["marts/activity_month"])["dagster/column_lineage"]["lineage"]
    made_of = {column["columnName"]: column["columnDeps"] for column in lineage}
    answerers, month = (
        {("/".join(source["assetKey"]["path"]), source["columnName"]) for source in made_of[name]}
        for name in ("answerers", "month")
    )
    assert answerers == {("core/fct_answer", "answerer_id")}
    assert {("core/fct_question", "month"), ("core/fct_answer", "month")} <= month
    assert "core/fct_answer" in nodes


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def until_answered(address: str, query: str) -> dict:
    """The page's answer, once it is up."""
    until = time.monotonic() + 120
    while True:
        try:
            return requests.post(address, json={"query": query}, timeout=30).json()
        except requests.ConnectionError:
            assert time.monotonic() < until, "dev did not come up"
            time.sleep(0.5)


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "so_lakehouse", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("so-lakehouse ")


README = (PROJECT_ROOT / "README.md").read_text("utf-8")
# (`doctor` asks the mirror too, and has a test with one at hand.)
COMMANDS = re.findall(r"^so-lakehouse ((?:sql|status).*?)(?: +#.*)?$", README, re.MULTILINE)
EXAMPLES = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_readme_has_commands_and_examples():
    assert len(COMMANDS) >= 3
    assert EXAMPLES


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_answers(undisturbed, command):
    done = call(undisturbed.home, *shlex.split(command))
    assert done.returncode == 0, said(done)
    assert done.stdout.strip()


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_of_the_readme_prints_rows(undisturbed, code):
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment(undisturbed.home), capture_output=True, text=True, check=False)
    assert done.returncode == 0, said(done)
    assert "tag" in done.stdout

"""Writes dbt's sources and staging models from the declared projection: `python -m so_lakehouse.warehouse.dbt_sources`.

Belongs here: how a warehouse table is spelled for dbt. Does not belong here: which tables and columns there are
(`projection.py`), and any model that computes something (`dbt_project/`, by hand). The written files are committed; a
test proves that they are what this module writes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from so_lakehouse.lake import reconciliation
from so_lakehouse.settings import PROJECT_ROOT
from so_lakehouse.warehouse.projection import PROJECTIONS

STAGING = PROJECT_ROOT / "dbt_project" / "models" / "staging"
COMMAND = "python -m so_lakehouse.warehouse.dbt_sources"

# A key named `id` says nothing once tables are joined.
KEY_NAMES = {
    "posts": "post_id",
    "users": "user_id",
    "comments": "comment_id",
    "badges": "badge_id",
    "post_links": "post_link_id",
    "tags": "tag_id",
}

# The tables whose rows models choose by a code: one that is not declared would drop out of every mart unseen. No model
# reads the others that have codes; to look through all of history at each build would cost it minutes.
CHOSEN_BY_CODE = frozenset({"posts", "votes"})


@dataclass(frozen=True)
class SourceColumn:
    """A column as the warehouse has it, and the name it gets in staging."""

    name: str
    type: str
    description: str
    staging_name: str
    codes: tuple[int, ...] = ()  # those that dbt tests it for


@dataclass(frozen=True)
class Source:
    name: str
    description: str
    columns: tuple[SourceColumn, ...]


def _plain(name: str, type: str, description: str) -> SourceColumn:
    return SourceColumn(name, type, description, name)


# The loader's book, created by `migrations.py`; the rest of its columns concern the loader alone.
LOAD_STATUS = Source(
    "load_status",
    "What each site's tables hold of the lake, one row per site and table.",
    (
        _plain("site", "text", "Site key, e.g. beer or beer.meta."),
        _plain("table_name", "text", "Table of schema lake."),
        _plain("lake_version", "bigint", "Version of the Delta table that was read."),
        _plain("data_version", "text", "Version of this site's data in it."),
        _plain("rows", "bigint", "Rows of this site in this table."),
        _plain("complete_to", "timestamptz", "Rows are whole up to this moment, UTC: none is missing or out of date."),
        _plain(
            "counters_complete_to",
            "timestamptz",
            "Counters, which move without activity, are whole up to this moment, UTC: the newest dump's cut.",
        ),
        _plain("load_id", "bigint", "The load that last changed rows; grows as loads become visible."),
        _plain("loaded_at", "timestamptz", "When the rows were last loaded, UTC."),
    ),
)


# What each dump made of what was predicted for it.
RECONCILIATIONS = tuple(
    Source(
        results.warehouse_name,
        results.description,
        tuple(_plain(field.name, field.type, field.description) for field in results.fields),
    )
    for results in reconciliation.ALL
)


def sources() -> tuple[Source, ...]:
    """The tables of schema `lake` that dbt reads: every projection, the loader's status, and the reconciliations."""
    projected = tuple(
        Source(
            projection.name,
            projection.description,
            tuple(
                SourceColumn(
                    field.name,
                    field.type,
                    field.description,
                    KEY_NAMES[projection.name] if field.name == "id" else field.name,
                    field.codes if projection.name in CHOSEN_BY_CODE else (),
                )
                for field in projection.fields
            ),
        )
        for projection in PROJECTIONS.values()
    )
    return (*projected, LOAD_STATUS, *RECONCILIATIONS)


def files() -> dict[str, str]:
    """Every file of the staging layer: name → content."""
    written = {f"stg_{source.name}.sql": _staging_model(source) for source in sources()}
    return written | {"_sources.yml": _sources_yml(), "_staging.yml": _staging_yml()}


def write(folder: Path = STAGING) -> list[Path]:
    """Writes the staging layer and removes models of tables that are no more; returns the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    content = files()
    for stale in folder.glob("stg_*.sql"):
        if stale.name not in content:
            stale.unlink()
    for name, text in content.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in content]


def _staging_model(source: Source) -> str:
    columns = [
        column.name if column.name == column.staging_name else f"{column.name} as {column.staging_name}"
        for column in source.columns
    ]
    listed = ",\n    ".join(columns)
    return f"-- Written by `{COMMAND}`.\n\nselect\n    {listed}\nfrom {{{{ source('lake', '{source.name}') }}}}\n"


def _sources_yml() -> str:
    lines = [
        f"# Written by `{COMMAND}`.",
        "version: 2",
        "",
        "sources:",
        "  - name: lake",
        "    schema: lake",
        '    description: "The declared projection of silver, current, without texts and personal data."',
        "    tables:",
    ]
    for source in sources():
        lines += [
            f"      - name: {source.name}",
            f"        description: {json.dumps(source.description)}",
            f'        config: {{meta: {{dagster: {{asset_key: ["warehouse", "{source.name}"]}}}}}}',
            "        columns:",
        ]
        for column in source.columns:
            lines += _column(column.name, column, indent=10)
    return "\n".join(lines) + "\n"


def _staging_yml() -> str:
    lines = [f"# Written by `{COMMAND}`.", "version: 2", "", "models:"]
    for source in sources():
        lines += [
            f"  - name: stg_{source.name}",
            f"    description: {json.dumps(source.description)}",
            "    columns:",
        ]
        for column in source.columns:
            lines += _column(column.staging_name, column, indent=6)
            if column.codes:
                lines += [
                    "        data_tests:",
                    "          - known_codes:",
                    f"              name: {source.name}_have_known_{column.name}",
                    f"              arguments: {{codes: {list(column.codes)}}}",
                    "              config: {severity: warn}",
                ]
    return "\n".join(lines) + "\n"


def _column(name: str, column: SourceColumn, indent: int) -> list[str]:
    margin = " " * indent
    return [
        f"{margin}- name: {name}",
        f"{margin}  data_type: {column.type}",
        f"{margin}  description: {json.dumps(column.description)}",
    ]


if __name__ == "__main__":
    for path in write():
        print(path.relative_to(PROJECT_ROOT))

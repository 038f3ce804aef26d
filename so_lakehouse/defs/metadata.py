"""How the schema looks in Dagster: column schemas, column lineage, check specs. Translation only."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import dagster as dg

from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.lake.silver_tables import DeltaTable
from so_lakehouse.quality import CheckDeclaration
from so_lakehouse.schema import Column
from so_lakehouse.unstable import unstable_api

OWNERS = ["team:so_lakehouse"]


def table_schema(columns: Iterable[Column]) -> dg.TableSchema:
    """The columns with types, sentences, nullability and references as Dagster shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.type.value,
                description=column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable,
                    unique=column.name == "Id",
                    other=[f"references {column.references}.Id"] if column.references else [],
                ),
                tags={name: "" for name in ("personal", "counter") if getattr(column, name)},
            )
            for column in columns
        ]
    )


def delta_schema(table: DeltaTable) -> dg.TableSchema:
    """All columns of a Delta table, also those that no dump has."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.type.lower(),
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for column in table.columns
        ]
    )


def check_specs(
    asset: dg.AssetKey, declarations: Sequence[CheckDeclaration], partitions_def: dg.PartitionsDefinition
) -> list[dg.AssetCheckSpec]:
    """One spec per declared check, evaluated and recorded per partition."""
    with unstable_api("checks by partition: without them one site's failure would block every site"):
        return [
            dg.AssetCheckSpec(
                name=declared.name,
                asset=asset,
                blocking=declared.blocking,
                description=declared.description,
                partitions_def=partitions_def,
            )
            for declared in declarations
        ]


def check_results(
    outcomes: Mapping[dg.AssetKey, Iterable[CheckOutcome]], chosen: Collection[dg.AssetCheckKey]
) -> list[dg.AssetCheckResult]:
    """What pure checks found, as Dagster records it; only the `chosen` ones of a run that selects some."""
    return [
        dg.AssetCheckResult(
            asset_key=asset,
            check_name=outcome.name,
            passed=outcome.passed,
            severity=dg.AssetCheckSeverity.ERROR if outcome.blocking else dg.AssetCheckSeverity.WARN,
            description=outcome.detail,
            metadata=outcome.metadata,
        )
        for asset, found in outcomes.items()
        for outcome in sorted(found, key=lambda outcome: outcome.name)
        if dg.AssetCheckKey(asset, outcome.name) in chosen
    ]

"""Nobody commits to a Delta table of the lake without asking whether he still holds its lock: in an object store two
drivers that commit at once would lose one of the two, and no error would say so."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import so_lakehouse

PACKAGE = Path(so_lakehouse.__file__).parent
# By these calls something can be committed; of Spark's SQL every statement counts.
COMMITS = {
    *("write_deltalake", "DeltaTable.create", "create_table", "when_matched_update", "when_not_matched_insert"),
    *("vacuum", "optimize", "restore", "write.format", "writeTo", "saveAsTable", "sql"),
}
ASKS = {"lock.require", "_before_commit"}
NEEDS_NO_LOCK = {
    "lake/delta.py:create_table": "who calls it asks",
    "lake/plain.py:_made": "who calls it asks",
    "lake/delta.py:make_reachable": "a table without rows, which several may make at once",
    "spark/catalog.py:_followed": "changes names, no table",
    "spark/catalog.py:names": "reads the catalog",
    "spark/catalog.py:_entries": "reads the catalog",
    "spark/catalog.py:_has_database": "reads the catalog",
    "spark/measure.py:_spark": "reads",
    "spark/measure.py:ask": "reads",
}


def calls(function: ast.AST) -> Iterator[str]:
    """The calls in a function, as `name`, `method` and `owner.method`."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr
                owner = node.func.value
                if isinstance(owner, ast.Name | ast.Attribute):
                    yield f"{owner.id if isinstance(owner, ast.Name) else owner.attr}.{node.func.attr}"


def committing() -> dict[str, set[str]]:
    """Every function that may commit, with all that it calls. Postgres and the servers have tables of their own."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        where = file.relative_to(PACKAGE).as_posix()
        if where.startswith(("warehouse/", "stack/")):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef) and COMMITS & (called := set(calls(node))):
                found[f"{where}:{node.name}"] = called
    return found


def test_whoever_commits_asks_for_the_lock() -> None:
    found = committing()
    without = {name for name, called in found.items() if not ASKS & called}
    assert without == set(NEEDS_NO_LOCK)
    known = {"lake/tiny.py:merge", "lake/plain.py:record", "spark/write.py:merge", "spark/maintenance.py:_commit"}
    assert known <= set(found) - without

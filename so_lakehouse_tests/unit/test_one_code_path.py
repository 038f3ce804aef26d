"""Which store, server and engine is used is a matter of settings: one code path serves all of them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import so_lakehouse

PACKAGE = Path(so_lakehouse.__file__).parent
# Who starts the servers knows their makers. Everybody else speaks S3.
STARTS_SERVERS = "stack/"
KNOW_THE_STORE = {"lake/storage.py", "spark/session.py", "spark/jars.py", "settings/lake.py"}
# How the store is told, in names of ours and in texts.
OF_THE_STORE = {"_is_local", "lake_is_in_s3", "ObjectStore"}
SCHEME = re.compile(r"s3[an]?://")
MAKER = re.compile(r"minio|versitygw", re.IGNORECASE)


@pytest.fixture(scope="module")
def modules() -> dict[str, set[str]]:
    """The words of every module, by its path in the package."""
    return {file.relative_to(PACKAGE).as_posix(): words(ast.parse(file.read_text())) for file in PACKAGE.rglob("*.py")}


def words(tree: ast.Module) -> set[str]:
    """Names and texts of a module, but for its documentation."""
    told = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and isinstance(node.body[0] if node.body else None, ast.Expr)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in told:
            found.add(node.value)
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", ".".join((node.module or "").split(".")[:2])}
        elif isinstance(node, ast.alias):
            found.add(node.name)
    return found


def apart_from_the_stack(paths: set[str]) -> set[str]:
    return {path for path in paths if not path.startswith(STARTS_SERVERS)}


def test_only_who_starts_a_server_knows_whose_it_is(modules):
    known = {path for path, words in modules.items() if any(map(MAKER.search, words))}
    assert "stack/object_store.py" in known, "they are found where they are"
    assert apart_from_the_stack(known) == {"settings/stack.py"}, "which one to start"


def test_only_storage_the_session_and_the_settings_know_which_store_it_is(modules):
    known = {path for path, words in modules.items() if OF_THE_STORE & words or any(map(SCHEME.search, words))}
    assert apart_from_the_stack(known) == KNOW_THE_STORE


def test_only_commands_start_the_stack(modules):
    users = {path for path, words in modules.items() if "so_lakehouse.stack" in words}
    assert {path.split("/")[0] for path in apart_from_the_stack(users)} <= {"cli"}

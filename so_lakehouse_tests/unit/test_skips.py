"""What is missing on somebody's machine is skipped there with its reason; in CI it is a failure."""

from __future__ import annotations

import ast

from so_lakehouse.settings import PROJECT_ROOT

TESTS = PROJECT_ROOT / "so_lakehouse_tests"


def test_whoever_skips_fails_in_ci() -> None:
    found = {
        f"{file.relative_to(TESTS)}:{node.name}": ast.unparse(node)
        for file in TESTS.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and "pytest.skip(" in ast.unparse(node)
    }
    assert found
    assert [name for name, text in found.items() if "pytest.fail(" not in text and not name.startswith("unit/")] == []


def test_no_module_is_skipped_for_what_it_imports() -> None:
    skipping = [file.name for file in TESTS.rglob("*.py") if "importorskip" in file.read_text()]
    assert skipping == ["test_skips.py"]

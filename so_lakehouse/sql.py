"""How names and texts are spelled in SQL statements that take no parameters; Postgres and DataFusion agree on both.

Spark spells texts in its own way: `spark_literal` in `lake/silver_tables.py`.
"""

from __future__ import annotations


def quoted(name: str) -> str:
    """A name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a literal."""
    return "'" + text.replace("'", "''") + "'"

"""Finds what is still in files although no reader sees it: values in Parquet pages, statistics, logs and JSON.

Parquet pages are compressed, so a search of bytes alone would find nothing: every row of every file is read as it lies
there, without deletion vectors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def traces(folder: Path, needles: list[str | int]) -> list[str]:
    """Each `needle in file` below the folder, with file names relative to it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [f"{needle} in {file.relative_to(folder)}" for file in files for needle in needles if _holds(file, needle)]


def _holds(file: Path, needle: str | int) -> bool:
    content = file.read_bytes()
    if any(spelled in content for spelled in _spellings(needle)):
        return True
    return file.suffix == ".parquet" and any(_is_in(value, needle) for value in _values(file))


def _spellings(needle: str | int) -> list[bytes]:
    """How a value can stand in bytes that are not compressed."""
    if isinstance(needle, int):
        return [str(needle).encode(), needle.to_bytes(8, "little"), needle.to_bytes(8, "big")]
    escaped = json.dumps(needle)[1:-1].encode()
    return [*(needle.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be", "latin-1")), escaped]


def _values(file: Path) -> Iterator[Any]:
    for column in pq.ParquetFile(file).read().columns:
        yield from column.to_pylist()


def _is_in(value: Any, needle: str | int) -> bool:
    """Whether a cell is, or anywhere holds, the needle."""
    if isinstance(value, dict):
        return any(_is_in(part, needle) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple):
        return any(_is_in(part, needle) for part in value)
    if isinstance(value, bytes):
        return any(spelled in value for spelled in _spellings(needle))
    if isinstance(value, str):
        return str(needle) in value
    return value == needle

"""From the environment's texts to values, and what cannot be meant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import Field, fields
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from so_lakehouse.clock import Clock
from so_lakehouse.errors import BadInput

if TYPE_CHECKING:
    from so_lakehouse.settings import Settings

# Texts of one form, and how to write it.
FORMS = {
    "spark_memory": (r"[1-9]\d*[kmgtKMGT]", "2g or 1500m"),  # as Java takes it
    "stack_worker_memory": (r"[1-9]\d*[kmgtKMGT][bB]?", "2g or 1500m"),
    "spark_master": (
        r"local(\[([1-9]\d*|\*)(,[1-9]\d*)?\])?|spark://\S+:\d+(,\S+:\d+)*|k8s://\S+|yarn",
        "local[*] or spark://host:7077",
    ),
    "spark_remote": (r"(sc://\S+)?", "sc://host:15002, or nothing"),
    "metastore": (r"(thrift://[^\s:/,]+:\d+)?", "thrift://host:9083, or nothing"),
    "api_auth": (r"header|query", "header or query"),
}
AT_LEAST_ONE = ("retry_seconds", "look_seconds", "look_at_days_seconds", "bronze_quarters", "max_unpack_ratio")


def read(variable: str, text: str, default: object) -> object:
    """The text as a value of the default's type; raises `BadInput`."""
    if isinstance(default, bool):
        if text.lower() in {"1", "true", "yes"}:
            return True
        if text.lower() in {"0", "false", "no"}:
            return False
        raise BadInput(f"{variable} is {text!r}; write true or false.")
    if isinstance(default, int):
        if not re.fullmatch(r"\d+", text.strip()):
            raise BadInput(f"{variable} is {text!r}; write a whole number, 0 or more.")
        return int(text)
    if isinstance(default, Path):
        return Path(text).expanduser().resolve()
    return text


def everywhere(location: str) -> str:
    """A folder as it is the same one wherever a later process starts; an address, or nothing, as it is."""
    return location if not location or "://" in location else str(Path(location).expanduser().resolve())


def state_file(environment: Mapping[str, str], name: str) -> str:
    """Where a user's programs keep what outlives them (XDG Base Directory); empty for one who has no home."""
    home = environment.get("HOME", "")
    folders = (environment.get("XDG_STATE_HOME", ""), f"{home}/.local/state" if home else "")
    folder = next((folder for folder in folders if Path(folder).is_absolute()), "")  # others are to be ignored
    return str(Path(folder, "so_lakehouse", name)) if folder else ""


def check(settings: Settings) -> None:
    """Raises `BadInput` for what cannot be meant, with the variable's name and how to write it; no secret is shown."""
    for name, (form, example) in FORMS.items():
        text = getattr(settings, name)
        if not re.fullmatch(form, text):
            entry = _entry(settings, name)
            said = f"is {text!r}" if entry.repr else "cannot be read"  # of a secret
            raise BadInput(f"{_variable(settings, name)} {said}; write it as {example}.")
    for name in AT_LEAST_ONE:
        if getattr(settings, name) < 1:
            raise BadInput(f"{_variable(settings, name)} is 0; write 1 or more.")
    Clock(settings.now)
    if not is_day(settings.api_start):
        raise BadInput(f"LAKEHOUSE_API_START is {settings.api_start!r}; write a day as 2026-01-01.")
    if settings.api_reserve + settings.api_sweep + settings.api_reask >= 100:
        raise BadInput(
            "LAKEHOUSE_API_RESERVE, _SWEEP and _REASK together must leave something: less than 100 per cent."
        )
    for name in ("s3_raw_key", "s3_bronze_key", "s3_silver_key", "s3_warehouse_key"):
        if not re.fullmatch(r"([^:]+:.+)?", getattr(settings, name)):
            raise BadInput(f"{_variable(settings, name)} is no key; write it as ACCESS:SECRET.")
    for name in ("postgres_dbt", "postgres_reader"):
        if getattr(settings, name) and not settings.postgres:
            raise BadInput(f"{_variable(settings, name)} is a role of an external server; set LAKEHOUSE_POSTGRES too.")


def is_day(text: str) -> bool:
    """Whether this is a day as partitions spell it: 2026-01-05, and no other ISO form."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _variable(settings: Settings, name: str) -> str:
    return str(_entry(settings, name).metadata["variable"])


def _entry(settings: Settings, name: str) -> Field:
    return next(entry for entry in fields(settings) if entry.name == name)

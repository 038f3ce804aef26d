"""Checks: what each layer must hold before the next may read it. Pure: they look at data and say what they found.

A check's name, severity and sentence are declared before anything runs, so that Dagster can show it unevaluated.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckDeclaration:
    """A check of one table: `blocking` ones stop that site's partition, the others warn."""

    name: str
    blocking: bool
    description: str

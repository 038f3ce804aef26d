"""What a setting is: a field of a dataclass that knows its environment variable and its meaning."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent.parent


def setting(variable: str, default: object, meaning: str, secret: bool = False):
    """A field for a dataclass; `secret` keeps its value out of what is printed."""
    return field(default=default, repr=not secret, metadata={"variable": variable, "meaning": meaning})

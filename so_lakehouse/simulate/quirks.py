"""How the publisher spelled a dump in which quarter. Each line of `HISTORY` says what changed, from which cut on.

Measured on dumps of 2014-2024, or told by those who read the later ones (sotoki issues 329 and 356, Meta Stack
Exchange 398279, 412018).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any

from so_lakehouse.errors import BadInput
from so_lakehouse.schema import TABLES


@dataclass(frozen=True)
class Quirks:
    """The spelling of one release. The defaults are what most releases do."""

    encoding: str = "utf-8"  # or utf-16-le
    byte_order_mark: bool = True
    line_end: str = "\r\n"
    indent: str = "  "
    tag_notation: str = "<>"  # or "||"
    licence_comment: bool = False  # an XML comment of several lines between declaration and root
    posts_by_id: bool = True
    guid_upper_case: bool = False
    fabricated_posts: bool = False  # two posts that nobody wrote
    omitted_columns: frozenset[str] = frozenset()


# First cut → what is different from there on; a later line replaces only the fields that it names.
HISTORY: tuple[tuple[date, dict[str, object]], ...] = (
    (date(2008, 7, 31), {"omitted_columns": frozenset({"ContentLicense", "Class", "TagBased"})}),
    (date(2016, 3, 1), {"omitted_columns": frozenset({"ContentLicense"})}),
    (date(2020, 1, 1), {"omitted_columns": frozenset()}),
    (date(2024, 3, 31), {"encoding": "utf-16-le", "line_end": "\n", "indent": "", "guid_upper_case": True}),
    (date(2024, 6, 30), {"encoding": "utf-8", "line_end": "\r\n", "indent": "  ", "guid_upper_case": False}),
    (date(2024, 8, 31), {"licence_comment": True}),
    (date(2025, 3, 31), {"posts_by_id": False}),
    (date(2025, 6, 30), {"fabricated_posts": True}),
    (date(2025, 9, 30), {"fabricated_posts": False}),
    (date(2025, 12, 31), {"tag_notation": "||"}),
)


def quirks_at(cut: date) -> Quirks:
    """The spelling of a release with that cut."""
    quirks = Quirks()
    for start, changes in HISTORY:
        if cut >= start:
            quirks = replace(quirks, **changes)  # type: ignore[arg-type]
    return quirks


# What each quirk can be, as words; a value may be spelled with \\r, \\n and \\t.
CHOICES: dict[str, Sequence[str]] = {
    "encoding": ("utf-8", "utf-16-le"),
    "byte_order_mark": ("yes", "no"),
    "line_end": ("\r\n", "\n"),
    "indent": ("  ", "", "\t"),
    "tag_notation": ("<>", "||"),
    "licence_comment": ("yes", "no"),
    "posts_by_id": ("yes", "no"),
    "guid_upper_case": ("yes", "no"),
    "fabricated_posts": ("yes", "no"),
    "omitted_columns": tuple(sorted({column for table in TABLES.values() for column in table.column_names} - {"Id"})),
}


def changed(quirks: Quirks, said: Iterable[str]) -> Quirks:
    """These quirks with others, each said as NAME=VALUE; columns to omit are separated by commas.

    Raises `BadInput` for a name that is none and a value that it cannot have, with what it can.
    """
    for assignment in said:
        name, given, text = assignment.partition("=")
        if name not in CHOICES or not given:
            raise BadInput(f"{assignment!r} is no quirk; write one of {', '.join(f'{name}=…' for name in CHOICES)}.")
        value = text.replace("\\r", "\r").replace("\\n", "\n").replace("\\t", "\t")
        parts = [part for part in value.split(",") if part] if name == "omitted_columns" else [value]
        if wrong := [part for part in parts if part not in CHOICES[name]]:
            possible = ", ".join(repr(choice)[1:-1] or "nothing" for choice in CHOICES[name])
            raise BadInput(f"{name} cannot be {wrong[0]!r}; choose from: {possible}.")
        found: Any = frozenset(parts) if name == "omitted_columns" else value
        changes: dict[str, Any] = {name: value == "yes" if CHOICES[name] == ("yes", "no") else found}
        quirks = replace(quirks, **changes)
    return quirks


def note(quirks: Quirks) -> str:
    """For `releases.csv`: where this spelling departs from the defaults."""
    defaults = Quirks()
    values = ((entry.name, getattr(quirks, entry.name), getattr(defaults, entry.name)) for entry in fields(Quirks))
    changed = [f"{name}={value}" for name, value, default in values if value != default and name != "omitted_columns"]
    return "; ".join(["SIMULATED", *changed])

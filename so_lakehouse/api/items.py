"""One item of a page as a row of the dump's table, or why it is none.

Belongs here: values and their types. Not here: which field is which column (`fields.py`), files (`bronze.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from so_lakehouse.api.fields import GONE, PERSON, Fields, fields_of
from so_lakehouse.schema import Type, table
from so_lakehouse.schema_api import Entity

BITS = {Type.SMALLINT: 16, Type.INTEGER: 32, Type.BIGINT: 64}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOT_AN_OBJECT, NO_KEY, MISSING, WRONG_TYPE, OUT_OF_RANGE, BAD_TEXT = (
    *("not_an_object", "no_key", "missing_field", "wrong_type", "out_of_range", "bad_text"),
)


class Unreadable(Exception):
    """An item that goes to quarantine: a reason (code), a sentence for people, and its key where that can be read."""

    def __init__(self, reason: str, detail: str, key: int | None = None) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.key = reason, detail, key


def read_item(entity: Entity, item: Any, always: frozenset[str] | None = None) -> dict[str, Any]:
    """The row: every column that pages of this entity tell, and `_extra` (what has no column, as JSON).

    Raises `Unreadable`. `always`: fields that every item must have, by default all that the API always serves with our
    filter; an item without them was not told whole, and what it lacks would look like null.
    """
    fields = fields_of(entity)
    if not isinstance(item, dict):
        raise Unreadable(NOT_AN_OBJECT, f"the item is {type(item).__name__}")
    types = {column.name: column.type for column in table(entity.table).columns}
    key = _key(fields, item)
    missing = sorted(name for name in (fields.always if always is None else always) if item.get(name) is None)
    if missing:
        raise Unreadable(MISSING, f"without {', '.join(missing)}", key)
    row: dict[str, Any] = dict.fromkeys(entity.columns)
    if entity.post_type is not None:
        row["PostTypeId"] = entity.post_type
    try:
        for path, column in fields.columns.items():
            row[column] = _value(path, _at(item, path), types[column])
        for name, column in fields.people.items():
            if _is_gone(item.get(name)):
                row[column] = _value(f"{name}.display_name", item[name].get("display_name"), Type.TEXT)
    except Unreadable as error:
        raise Unreadable(error.reason, error.detail, key) from None
    row["_extra"] = list(_extra(fields, item).items())
    return row


def unknown_fields(entity: Entity, row: Mapping[str, Any]) -> list[str]:
    """Fields in `_extra` that nobody asked for."""
    return [name for name, _ in row["_extra"] if name not in fields_of(entity).beside]


def _key(fields: Fields, item: dict[str, Any]) -> int:
    try:
        key = _value(fields.key, item.get(fields.key), Type.BIGINT)
    except Unreadable as error:
        raise Unreadable(NO_KEY, error.detail) from None
    if key is None:
        raise Unreadable(NO_KEY, f"without {fields.key}")
    return key


def _at(item: dict[str, Any], path: str) -> Any:
    name, _, part = path.partition(".")
    value = item.get(name)
    if not part or value is None:
        return value
    if not isinstance(value, dict):
        raise Unreadable(WRONG_TYPE, f"{name} is {type(value).__name__}, not an object")
    return value.get(part)


def _is_gone(person: Any) -> bool:
    return isinstance(person, dict) and (person.get("user_type") == GONE or "user_id" not in person)


def _value(name: str, value: Any, type_: Type) -> Any:
    if value is None:
        return None
    if type_ in BITS or type_ is Type.TIMESTAMP:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unreadable(WRONG_TYPE, f"{name} is {str(value)[:40]!r}, not a whole number")
        return _moment(name, value) if type_ is Type.TIMESTAMP else _bounded(name, value, BITS[type_])
    if type_ is Type.TAGS:
        if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
            raise Unreadable(WRONG_TYPE, f"{name} is {str(value)[:40]!r}, not a list of names")
        return _text(name, f"|{'|'.join(value)}|") if value else None
    if not isinstance(value, str):
        raise Unreadable(WRONG_TYPE, f"{name} is {str(value)[:40]!r}, not a text")
    return _text(name, value)


def _text(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Unreadable(BAD_TEXT, f"{name} has half a character (surrogate) at {error.start:,}") from None
    return value


def _bounded(name: str, value: int, bits: int) -> int:
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise Unreadable(OUT_OF_RANGE, f"{name} is {value}, more than {bits} bits")
    return value


def _moment(name: str, seconds: int) -> datetime:
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise Unreadable(OUT_OF_RANGE, f"{name} is {seconds}, no date between the years 1 and 9999") from None


def _extra(fields: Fields, item: dict[str, Any]) -> dict[str, str]:
    """What has no column, by name; of people, parts that we did not ask for."""
    found = {name: value for name, value in item.items() if name not in fields.known}
    for name in fields.people:
        person = item.get(name)
        if isinstance(person, dict):
            found |= {f"{name}.{part}": value for part, value in person.items() if part not in PERSON}
    return {name: json.dumps(value) for name, value in found.items() if value is not None}

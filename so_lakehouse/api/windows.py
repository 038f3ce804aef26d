"""Walking a window of time: every row whose date lies in it, however the rows move meanwhile.

Pages shift while data changes, so rows are walked by date, not by page number: each question begins at the last second
that was seen, and that second is asked again because it may hold more. Only a second with more rows than a page is
asked page by page, in both directions, until a pass brings nothing new.

A row that becomes active meanwhile leaves the window at its end, for a later day: nothing behind the walk moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from so_lakehouse.api.budget import SAME_QUESTION_SECONDS
from so_lakehouse.api.client import Check, Page
from so_lakehouse.errors import Unavailable
from so_lakehouse.patience import Transient

PAGE_ROWS = 100
MOST_PASSES = 10

# Asks for one page of the method with these parameters; the check looks at it before it counts.
Ask = Callable[[Mapping[str, Any], Check], Page]


@dataclass(frozen=True)
class Walk:
    """One order of a method: `sort` as the API calls it, and the field that it goes by (whole seconds, UTC)."""

    sort: str
    field: str


@dataclass(frozen=True)
class Step:
    """One page, and up to which second (exclusive) the walk has everything once it is here."""

    page: Page
    covered_to: int


def walk(ask: Ask, order: Walk, key: str, since: int, until: int) -> Iterator[Step]:
    """Every page of the window from `since` to `until`, both inclusive. Rows may come twice, none is left out.

    `key` is the field of an item's Id. Raises what `ask` raises, and `Unavailable` for answers that never end.
    """
    position = since
    while position <= until:
        page = ask(_question(order, position, until), _in_window(order, key, position, until))
        if not page.has_more:
            yield Step(page, until + 1)
            return
        last = _dates(page, order)[-1]
        if last > position:
            yield Step(page, last)
            position = last
            continue
        yield Step(page, position)
        for crowded in _second(ask, order, key, position):
            yield Step(crowded, position)
        position += 1


def _second(ask: Ask, order: Walk, key: str, second: int) -> Iterator[Page]:
    """Every page of one second. A row that leaves it shifts the pages behind, so the pass back must bring nothing."""
    seen: set[Any] = set()
    for number in range(MOST_PASSES):
        direction = "asc" if number % 2 == 0 else "desc"
        before, page_number, has_more = len(seen), 1, True
        while has_more:
            question = _question(order, second, second) | {"order": direction, "page": page_number}
            page = ask(question, _in_window(order, key, second, second))
            yield page
            seen |= {item.get(key) for item in page.items if isinstance(item, dict)}
            has_more = page.has_more
            page_number += 1
            if has_more and page_number * PAGE_ROWS > len(seen) + 3 * PAGE_ROWS:
                raise Unavailable(
                    f"{page.path} never ends: page {page_number - 1} of second {second} brings no new row."
                )
        if number and len(seen) == before:
            return
    raise Unavailable(f"The rows of second {second} came differently in each of {MOST_PASSES} passes. Try again later.")


def _question(order: Walk, since: int, until: int) -> dict[str, Any]:
    return {"sort": order.sort, "order": "asc", "min": since, "max": until, "pagesize": PAGE_ROWS}


def _in_window(order: Walk, key: str, since: int, until: int) -> Check:
    """A page is an answer to its question only where its rows are of the kind that was asked for, their dates lie in
    the window, and it ends or brings rows.

    A repeated page of an earlier question, and one of a server that never ends, are told by that. The same question
    would be answered from a cache within a minute.
    """

    def check(page: Page) -> None:
        dates = _dates(page, order)
        if page.items and not any(isinstance(item, dict) and key in item for item in page.items):
            raise Transient(f"{page.path} brought rows without a {key}: other ones.", SAME_QUESTION_SECONDS)
        if not dates and page.has_more:
            raise Transient(f"{page.path} says that there is more, and brought nothing.", SAME_QUESTION_SECONDS)
        outside = [date for date in dates if not since <= date <= until]
        if outside:
            told = f"{page.path} brought {order.field} {outside[0]}, outside {since} to {until}."
            raise Transient(told, SAME_QUESTION_SECONDS)
        if page.parameters["order"] == "asc" and dates != sorted(dates):
            told = f"{page.path} brought rows that are not in the order of {order.field}."
            raise Transient(told, SAME_QUESTION_SECONDS)

    return check


def _dates(page: Page, order: Walk) -> list[int]:
    found = [item.get(order.field) for item in page.items if isinstance(item, dict)]
    return [date for date in found if isinstance(date, int) and not isinstance(date, bool)]

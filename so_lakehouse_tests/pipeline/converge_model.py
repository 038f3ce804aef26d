"""The rules of silver in plain Python, for one site: what the evidence in bronze says, from scratch.

Written to be obviously right, not fast. Dumps are folded from the oldest to the newest; of pages later than the newest
cut the newest statement on a key counts; a comment goes with its post. docs/converge.md has the same rules in words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Row = dict[str, Any]
POST_PAGE = ("Score", "LastActivityDate")  # of the columns used here, those that a page of questions tells
COMMENT_PAGE = ("PostId", "Score")


@dataclass(frozen=True)
class Dump:
    """What one dump tells of one table. `silent`: keys that it holds only in quarantine."""

    cut: datetime
    revision: int
    rows: dict[int, Row]
    silent: frozenset[int] = frozenset()
    suspends: bool = False


@dataclass(frozen=True)
class Said:
    """A page's word on a key; `row` None: it was asked for and not returned."""

    as_of: datetime
    key: int
    row: Row | None


@dataclass
class Evidence:
    """All that bronze holds of one table."""

    dumps: list[Dump] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)

    @property
    def cut(self) -> datetime | None:
        return max((dump.cut for dump in self.dumps), default=None)


def dump_state(dumps: list[Dump]) -> dict[int, Row]:
    """Rows after all dumps. A row that a later dump neither tells nor denies stays, with the time of its own dump."""
    state: dict[int, Row] = {}
    before = None
    for dump in sorted(dumps, key=lambda dump: (dump.cut, dump.revision)):
        kept = {}
        for key, row in state.items():
            if key in dump.rows or not (key in dump.silent or dump.suspends):
                continue
            reason = "quarantined" if key in dump.silent else "deletions suspended"
            kept[key] = row | {"_as_of": row["_as_of"] or before, "_kept": reason}
        state = {key: row | {"_as_of": None, "_kept": None} for key, row in dump.rows.items()} | kept
        before = dump.cut
    return state


def newest_said(evidence: Evidence) -> dict[int, Said]:
    """The newest statement on each key that is later than the cut."""
    newest: dict[int, Said] = {}
    for said in evidence.said:
        late = evidence.cut is not None and said.as_of <= evidence.cut
        if not late and (said.key not in newest or said.as_of > newest[said.key].as_of):
            newest[said.key] = said
    return newest


def merged(evidence: Evidence, told: tuple[str, ...]) -> dict[int, Row]:
    """Dumps and pages together."""
    state = dump_state(evidence.dumps)
    for key, said in newest_said(evidence).items():
        if said.row is None:
            state.pop(key, None)
            continue
        held = state.get(key, {})
        row = {**held, **{column: _value(held.get(column), said.row[column]) for column in told}}
        state[key] = row | {"_as_of": said.as_of, "_kept": held.get("_kept")}
    return state


def _value(dump: Any, page: Any) -> Any:
    """A page's value; of a date that is the same second, the dump's, which tells the fraction too."""
    same_second = isinstance(dump, datetime) and dump.replace(microsecond=0) == page
    return dump if same_second else page


def site_state(posts: Evidence, comments: Evidence) -> tuple[dict[int, Row], dict[int, Row], dict[int, datetime]]:
    """Posts, comments, and the posts that a sweep declared gone (with the time of the sweep)."""
    post_rows = merged(posts, POST_PAGE)
    swept = {key: said.as_of for key, said in newest_said(posts).items() if said.row is None}
    comment_rows = {}
    for key, row in merged(comments, COMMENT_PAGE).items():
        evidence = row["_as_of"] or comments.cut
        absences = [moment for moment in (posts.cut, swept.get(row["PostId"])) if moment is not None]
        if row["PostId"] in post_rows or not any(evidence < absence for absence in absences):
            comment_rows[key] = row
    return post_rows, comment_rows, swept

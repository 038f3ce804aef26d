"""The rules of silver in plain Python, for one site: what the evidence in bronze says, from scratch.

Written to be obviously right, not fast. Of a key, the newest dump that says something decides, and after it the newest
page; comments and history go with their post. docs/converge.md has the same rules in words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Row = dict[str, Any]
# Of the columns used here, those that pages tell; in the order in which they decide between pages of one instant.
TOLD = {"posts": ("LastActivityDate", "Score"), "comments": ("PostId", "Score"), "post_history": ()}


@dataclass(frozen=True)
class Dump:
    """What one dump tells of one table. `silent`: keys that it holds only in quarantine."""

    cut: datetime
    revision: int
    rows: dict[int, Row]
    silent: frozenset[int] = frozenset()
    suspends: bool = False

    def silence(self, key: int) -> str | None:
        """Why it says nothing of a key; None where it does."""
        if key in self.rows:
            return None
        if key in self.silent:
            return "quarantined"
        return "deletions suspended" if self.suspends else None


@dataclass(frozen=True)
class Said:
    """A page's word on a key; `row` None: it was asked for and not returned."""

    as_of: datetime
    key: int
    row: Row | None


@dataclass
class Evidence:
    """All that bronze holds of one table. `told`: the columns that pages tell."""

    told: tuple[str, ...] = ()
    dumps: list[Dump] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)

    @property
    def newest_dump(self) -> Dump | None:
        return max(self.dumps, key=lambda dump: (dump.cut, dump.revision), default=None)

    @property
    def cut(self) -> datetime | None:
        return self.newest_dump.cut if self.newest_dump else None

    @property
    def keys(self) -> set[int]:
        return {key for dump in self.dumps for key in dump.rows} | {said.key for said in self.said}

    def dump_of(self, key: int) -> Dump | None:
        """The newest dump that tells the key, or tells by its absence that it is gone."""
        speaking = [dump for dump in self.dumps if dump.silence(key) is None]
        return max(speaking, key=lambda dump: (dump.cut, dump.revision), default=None)

    def said_of(self, key: int) -> Said | None:
        """The newest word of a page on the key, where it is later than that dump."""
        dump = self.dump_of(key)
        later = [said for said in self.said if said.key == key and (dump is None or said.as_of > dump.cut)]
        return max(later, key=lambda said: (said.as_of, said.row is not None, self._content(said)), default=None)

    def _content(self, said: Said) -> list[Any]:
        return [said.row[column] for column in self.told] if said.row is not None else []

    def gone_as_of(self, key: int) -> datetime | None:
        """As of when the newest evidence says that the key is not there (for a key that is not)."""
        dump, said = self.dump_of(key), self.said_of(key)
        return said.as_of if said else dump.cut if dump else None


def state_of(evidence: Evidence, key: int) -> Row | None:
    """The key's row, dumps and pages together; None where there is none."""
    dump, said = evidence.dump_of(key), evidence.said_of(key)
    row = dump.rows.get(key) if dump else None
    as_of = dump.cut if dump else None
    if said is not None:
        if said.row is None:
            return None
        row = {**(row or {}), **{column: _value((row or {}).get(column), said.row[column]) for column in evidence.told}}
        as_of = said.as_of
    if row is None or as_of is None:
        return None
    is_older = evidence.newest_dump is not None and as_of <= evidence.newest_dump.cut
    kept = evidence.newest_dump.silence(key) if evidence.newest_dump and is_older else None
    is_plain = said is None and dump is evidence.newest_dump
    return row | {"_as_of": None if is_plain else as_of, "_kept": kept}


def _value(dump: Any, page: Any) -> Any:
    """A page's value; of a date that is the same second, the dump's, which tells the fraction too."""
    same_second = isinstance(dump, datetime) and dump.replace(microsecond=0) == page
    return dump if same_second else page


@dataclass(frozen=True)
class State:
    """What a table of silver shall hold, and the keys that went: `swept` when, and `along` when and with which post.
    All others are denied by a dump; of these silver remembers the keys that it held."""

    rows: dict[int, Row]
    swept: dict[int, datetime]
    along: dict[int, tuple[datetime, int]]

    def __contains__(self, key: int) -> bool:
        return key in self.rows or key in self.swept or key in self.along


def merged(evidence: Evidence) -> State:
    """A table by itself."""
    rows = {key: state_of(evidence, key) for key in evidence.keys}
    said = {key: evidence.said_of(key) for key, row in rows.items() if row is None}
    swept = {key: word.as_of for key, word in said.items() if word is not None}
    return State({key: row for key, row in rows.items() if row is not None}, swept, {})


def beside(posts: Evidence, evidence: Evidence) -> State:
    """A table whose rows go along with their post."""
    alive, state = merged(posts).rows, merged(evidence)
    along = {}
    for key, row in state.rows.items():
        as_of, gone = row["_as_of"] or evidence.cut, posts.gone_as_of(row["PostId"])
        if row["PostId"] not in alive and gone is not None and as_of < gone:
            along[key] = gone, row["PostId"]
    return State({key: row for key, row in state.rows.items() if key not in along}, state.swept, along)

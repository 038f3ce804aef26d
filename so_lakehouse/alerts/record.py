"""What has been told and what is still to be told: one small JSON file, kept across restarts.

Belongs here: the file and who may have it. It is written before anything is sent and after each message that was taken,
so that a killed process loses nothing, and doubles at most the message that was on its way. It holds no address: only
a digest tells them apart.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from so_lakehouse.alerts.changes import Known
from so_lakehouse.alerts.incident import Incident, Kind, Message
from so_lakehouse.alerts.runs import Failure
from so_lakehouse.clock import saved_moment
from so_lakehouse.errors import BadInput, Unavailable


@dataclass
class Letter:
    """A message and the addresses (their digests) that have not taken it yet."""

    message: Message
    to: list[str]


@dataclass
class Record:
    """The file's content. `runs_read_to`: runs that ended before this moment have been counted."""

    file: Path
    known: dict[str, Known] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    runs_read_to: datetime | None = None

    def save(self) -> None:
        """Replaces the file, whole or not at all."""
        content = {
            "known": [asdict(entry) for entry in self.known.values()],
            "letters": [asdict(letter) for letter in self.letters],
            "failures": [asdict(failure) | {"missing": sorted(failure.missing)} for failure in self.failures],
            "runs_read_to": self.runs_read_to,
        }
        part = self.file.with_suffix(".part")
        try:
            part.touch(mode=0o600)  # what went wrong, and digests of addresses, are nobody else's business
            with part.open("w") as sink:
                json.dump(content, sink, indent=1, default=datetime.isoformat)
                sink.flush()
                os.fsync(sink.fileno())
            part.replace(self.file)
        except OSError as error:
            raise Unavailable(
                f"Cannot write {self.file}: {error}. Free disk space or choose another LAKEHOUSE_HOME."
            ) from error


@contextmanager
def held(file: Path) -> Iterator[Record | None]:
    """The record, for nobody else until the block ends; None where somebody else has it.

    Raises `BadInput` where the file cannot be read.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield _read(file)


def _read(file: Path) -> Record:
    if not file.exists():
        return Record(file)
    try:
        content = json.loads(file.read_text())
        known = [_known(entry) for entry in content["known"]]
        return Record(
            file,
            {entry.incident.key: entry for entry in known},
            [Letter(Message(**letter["message"]), letter["to"]) for letter in content["letters"]],
            [_failure(failure) for failure in content["failures"]],
            saved_moment(content["runs_read_to"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"Cannot read {file}: {error}. Move it away; what is wrong now is then told once more."
        ) from error


def _known(entry: dict[str, Any]) -> Known:
    told = entry["incident"]
    incident = Incident(**told | {"kind": Kind(told["kind"]), "tables": tuple(told["tables"])})
    return Known(incident, datetime.fromisoformat(entry["since"]), saved_moment(entry["gone"]))


def _failure(entry: dict[str, Any]) -> Failure:
    ended = datetime.fromisoformat(entry["ended"])
    return Failure(**entry | {"ended": ended, "missing": frozenset(entry["missing"])})

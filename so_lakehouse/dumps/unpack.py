"""Bytes of an archive's members, as 7-Zip writes them into a pipe.

Belongs here: the process, the pipe, and the promise that each member gave exactly the bytes its header names and that
7-Zip's checksums hold. Does not belong here: what the bytes mean (`table_reader.py`).
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from so_lakehouse.dumps.archive import Member, failure, program, refuse_interruption
from so_lakehouse.errors import BadInput

PIPE_BYTES = 1 << 20  # Linux gives 64 KiB unasked, and 7zz then waits 16 times as often


class Unpacking:
    """One 7zz process that writes the given members, one after the other. Use as `with unpacking(...)`."""

    def __init__(self, path: Path, members: Sequence[Member], where: str, threads: int | None = None) -> None:
        self.where = where
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        self.left = 0
        names = [f"-i!{member.name}" for member in members]
        limit = [f"-mmt={threads}"] if threads else []
        self._process = subprocess.Popen(
            [program(), "x", "-so", "-spd", "-p", "-bsp0", *limit, *names, "--", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            bufsize=0,
        )
        assert self._process.stdout is not None
        self._pipe = self._process.stdout.fileno()
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with suppress(PermissionError):  # the user's share of pipe memory is used up: only slower
                fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    @property
    def process_id(self) -> int:
        return self._process.pid

    def begin(self, member: Member) -> None:
        """The next bytes are this member's."""
        assert self.left == 0, "the member before was not read to its end"
        self.left = member.size

    def readinto(self, target: memoryview) -> int:
        """Fills as much of `target` as one read gives; 0 at the member's end. `BadInput` where the pipe ends early."""
        if not self.left:
            return 0
        count = os.readv(self._pipe, [target[: self.left]])
        if not count:
            self._fail()
        self.left -= count
        return count

    def skip(self) -> None:
        """Reads the rest of the member and forgets it."""
        room = memoryview(bytearray(PIPE_BYTES))
        while self.readinto(room):
            pass

    def finish(self) -> None:
        """Waits for 7zz: a checksum that does not hold, or bytes beyond the headers' sizes, raise `BadInput`."""
        if os.read(self._pipe, 1):
            self.stop()
            raise BadInput(f"{self.where}: the archive unpacks to more than its headers say. Nothing was published.")
        if self._process.wait() != 0:
            self._fail()

    def verify(self) -> None:
        """Reads all that is left, only to know whether the archive is whole; raises `BadInput` where it is not."""
        while os.read(self._pipe, PIPE_BYTES):
            pass
        if self._process.wait() != 0:
            self._fail()

    def _fail(self) -> None:
        code = self._process.wait()
        refuse_interruption(code, self.where)
        self._messages.seek(0)
        message = self._messages.read().decode("utf-8", "replace")
        raise failure(self.where, message or f"7zz ended with code {code}")

    def kill(self) -> None:
        """Makes the process end now; whoever reads from it, in another thread, then sees that it did."""
        if self._process.poll() is None:
            self._process.kill()

    def stop(self) -> None:
        """Ends the process, whatever it is doing."""
        self.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._messages.close()


@contextmanager
def unpacking(path: Path, members: Sequence[Member], where: str, threads: int | None = None) -> Iterator[Unpacking]:
    """A process that writes these members (in the archive's order); it is ended on the way out."""
    process = Unpacking(path, members, where, threads)
    try:
        yield process
    finally:
        process.stop()


def extract(path: Path, member: Member, where: str, target: Path) -> None:
    """Writes one member to a file: an archive in an archive can only be read from a file."""
    with unpacking(path, [member], where) as process, target.open("wb") as sink:
        process.begin(member)
        room = memoryview(bytearray(PIPE_BYTES))
        while count := process.readinto(room):
            sink.write(room[:count])
        process.finish()

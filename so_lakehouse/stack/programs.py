"""Programs that come as source from the Go module proxy: found where their version fits, else built, always pinned.

A build needs Go and minutes, once; the checksum of every module is verified by Go itself (sum.golang.org).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from so_lakehouse.errors import Unavailable

BUILD_SECONDS = 1800


@dataclass(frozen=True)
class Program:
    """A Go program: `module` is what `go install` takes, without the version."""

    name: str
    module: str
    version: str

    @property
    def pinned(self) -> str:
        return f"{self.module}@{self.version}"

    @property
    def built_as(self) -> str:
        """The name that Go gives it."""
        return self.module.rpartition("/")[2]

    @property
    def file(self) -> str:
        """Its name in our own folder: with the version, so that another one is another file."""
        return f"{self.name}-{self.version}"


PROGRAMS = {
    program.name: program
    for program in (
        # The last commit before its repository was archived; MinIO's release tags are no module versions.
        Program("minio", "github.com/minio/minio", "v0.0.0-20260212201848-7aac2a2c5b7c"),
        # A second S3 server that shares no code with MinIO: conditional puts, and policies of the bucket's own.
        Program("versitygw", "github.com/versity/versitygw/cmd/versitygw", "v1.8.0"),
        # Reads and checks compose files as the specification says; needs no engine.
        Program("compose-go", "github.com/compose-spec/compose-go/v2/cmd", "v2.16.2"),
    )
}


def find(name: str, folder: Path) -> Path | None:
    """The program of exactly the pinned version: in our own `folder`, else on PATH or where Go installs."""
    program = PROGRAMS[name]
    if (folder / program.file).is_file():
        return folder / program.file
    go_folder = Path(os.environ.get("GOBIN") or Path(os.environ.get("GOPATH") or Path.home() / "go") / "bin")
    elsewhere = [shutil.which(name), shutil.which(program.built_as, path=str(go_folder))]
    return next((Path(path) for path in elsewhere if path and _built_from(path, program)), None)


def require(name: str, folder: Path) -> Path:
    """As `find`; builds it into `folder` where there is none, once: who comes meanwhile waits.

    Raises `Unavailable` where that is impossible.
    """
    found = find(name, folder)
    if found:
        return found
    program, go = PROGRAMS[name], shutil.which("go")
    if go is None:
        raise Unavailable(f"{name} is not here, and to build it takes Go 1.26 or newer (https://go.dev/dl).")
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder / f"{name}.lock"):
        if not (folder / program.file).is_file():
            _build(program, go, folder)
    return folder / program.file


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(program: Program, go: str, folder: Path) -> None:
    with TemporaryDirectory(dir=folder, prefix="building-") as building:
        try:
            done = subprocess.run(
                [go, "install", program.pinned],
                env=os.environ | {"GOBIN": building, "CGO_ENABLED": "0"},  # one file that runs on any Linux
                capture_output=True,
                text=True,
                timeout=BUILD_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable(
                f"{program.name} was not built within {BUILD_SECONDS} s ({go} install {program.pinned}). What Go has "
                "compiled is kept: try again, best on a machine that has less to do."
            ) from error
        if done.returncode:
            said = " | ".join(done.stderr.strip().splitlines()[-3:])
            raise Unavailable(f"{program.name} cannot be built ({go} install {program.pinned}): {said}")
        (Path(building) / program.built_as).replace(folder / program.file)


def _built_from(path: str, program: Program) -> bool:
    """Whether Go reads in the program that it was built from the pinned module; False where there is no Go to ask."""
    go = shutil.which("go")
    if go is None:
        return False
    done = subprocess.run([go, "version", "-m", path], capture_output=True, text=True, check=False)
    lines = [line.split() for line in done.stdout.splitlines()]
    return ["path", program.module] in lines and any(
        line[0] == "mod" and line[2] == program.version for line in lines if len(line) > 2
    )

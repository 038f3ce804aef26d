"""The S3 servers that tests run against, each a process of its own with a folder of its own, and buckets in them.

Two makers' servers, because nothing may depend on one of them. A program is looked for on PATH and in ~/go/bin.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from so_lakehouse.lake.object_store import ObjectStore
from so_lakehouse.settings import Settings

ACCESS_KEY, SECRET_KEY = "lakehouse-test", "not-a-secret-at-all"
START_SECONDS = 60


@dataclass
class Server:
    """One server that runs."""

    name: str
    port: int
    folder: Path
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """On the same port and folder as before, where it was stopped."""
        at = f"127.0.0.1:{self.port}"
        words = {
            "minio": ["server", str(self.folder), "--address", at, "--quiet"],
            "versitygw": ["--access", ACCESS_KEY, "--secret", SECRET_KEY, "--port", at, "posix", str(self.folder)],
        }[self.name]
        keys = {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [program(self.name), *words], env=os.environ | keys, stdout=log, stderr=subprocess.STDOUT
            )
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"{self.name} did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        with closing(socket.socket()) as knock:
            knock.settimeout(1)
            return knock.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(30)

    def store(self) -> ObjectStore:
        return ObjectStore(self.endpoint, ACCESS_KEY, SECRET_KEY)

    def new_bucket(self) -> str:
        """The name of an empty bucket."""
        name = f"test-{uuid4().hex}"
        self.store().client().create_bucket(Bucket=name)
        return name

    def settings(self, settings: Settings, bucket: str) -> Settings:
        """These settings with a lake in the bucket."""
        return replace(
            settings,
            lake=f"s3://{bucket}/lake",
            s3_endpoint=self.endpoint,
            s3_access_key=ACCESS_KEY,
            s3_secret_key=SECRET_KEY,
        )


def program(name: str) -> str:
    """Skips the test where there is no such program; in CI that is a failure."""
    found = shutil.which(name) or shutil.which(name, path=str(Path.home() / "go" / "bin"))
    if found is None:
        reason = f"no program {name} on PATH or in ~/go/bin"
        if os.environ.get("CI", "false").lower() not in {"", "0", "false"}:
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session", params=["minio", "versitygw"])
def object_store(request, tmp_path_factory) -> Iterator[Server]:
    """One server after the other, for all tests that ask for it."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "data").mkdir()
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(request.param, port, folder / "data", folder / "server.log")
    server.start()
    yield server
    if server.process and server.process.poll() is None:
        server.stop()


@pytest.fixture
def bucket(object_store) -> str:
    """An empty bucket."""
    return object_store.new_bucket()


@pytest.fixture
def s3_settings(object_store, bucket, settings) -> Settings:
    """Settings of an empty lake in the bucket."""
    return object_store.settings(settings, bucket)

"""An object store that runs, as tests of a lake in it use it: its administrator's key, and empty buckets.

Two makers' servers, because nothing may depend on one of them (`conftest.s3`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from so_lakehouse.lake.object_store import ObjectStore
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.stack import object_store
from so_lakehouse.stack.network import Network
from so_lakehouse.stack.object_store import ROOT
from so_lakehouse.stack.process import Supervised

if TYPE_CHECKING:
    from so_lakehouse_tests.stack.conftest import Stack


@dataclass(frozen=True)
class Server:
    """The object store of a stack."""

    stack: Stack

    @property
    def name(self) -> str:
        return self.stack.settings.stack_s3

    @property
    def secret_key(self) -> str:
        return self.stack.secrets["s3_root"]

    def store(self) -> ObjectStore:
        return ObjectStore(Network(self.stack.settings).s3, ROOT, self.secret_key)

    def new_bucket(self) -> str:
        """The name of an empty bucket."""
        name = f"test-{uuid4().hex}"
        self.store().client().create_bucket(Bucket=name)
        return name

    @contextmanager
    def away(self) -> Iterator[None]:
        """For the block the server does not run."""
        settings = self.stack.settings
        service = object_store.service(settings, self.stack.secrets, lambda: None)
        server = Supervised(service, settings.stack_folder / "run")
        assert server.stop()
        try:
            yield
        finally:
            server.start()

    def settings(self, settings: Settings, bucket: str) -> Settings:
        """These settings with a lake in the bucket."""
        return replace(
            settings,
            lake=f"s3://{bucket}/lake",
            s3_endpoint=Network(self.stack.settings).s3,
            s3_access_key=ROOT,
            s3_secret_key=self.secret_key,
        )


def empty(lake: Lake) -> None:
    """Removes all that a lake holds."""
    for entry in lake.list(""):
        lake.delete(entry)

"""Who may read and write what in the object store: one key per writer, declared once, in the words of S3 policies.

Belongs here: writers, their prefixes, and the statements that say so. Does not belong here: how a server is told
(`object_store.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from so_lakehouse.lake.paths import RAW_API, RECONCILIATION, SILVER_GATES
from so_lakehouse.stack.network import BUCKET, LAKE, LOGS_BUCKET

READ = ("s3:GetObject",)
WRITE = ("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
# Names, not contents: file systems on S3 look for the folders above a file.
LIST = ("s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads")


@dataclass(frozen=True)
class Writer:
    """One key: `secret` is also its name; folders are those of its bucket's root, below the lake in the lake's bucket.

    An empty folder is all of the bucket's root.
    """

    secret: str
    reads: Sequence[str]
    writes: Sequence[str]
    bucket: str = BUCKET

    @property
    def access_key(self) -> str:
        return self.secret.replace("_", "-")

    @property
    def root(self) -> str:
        """Where its folders begin, as `bucket` or `bucket/prefix`."""
        return LAKE.removeprefix("s3://") if self.bucket == BUCKET else self.bucket

    def statements(self) -> list[dict[str, Any]]:
        """The statements of its policy, without a principal: an identity's policy needs none."""
        found = [_allow(LIST, [self.bucket])]
        if self.reads or self.writes:
            above = [self.root, f"{self.root}/"] if "/" in self.root else []
            found.append(_allow(READ, above + self._resources([*self.reads, *self.writes], also_themselves=True)))
        if self.writes:
            found.append(_allow(WRITE, self._resources(self.writes)))
        return found

    def _resources(self, folders: Sequence[str], also_themselves: bool = False) -> list[str]:
        """Each folder with all it holds; also its own name where whether it is a file is asked before it is used."""
        resources = []
        for folder in folders:
            whole = f"{self.root}/{folder}".rstrip("/")
            resources += [whole] * (also_themselves and "/" in whole) + [f"{whole}/*"]
        return resources


WRITERS = (
    Writer("s3_lake", reads=(), writes=("",)),
    # What the API is asked for by id is chosen from silver, and which days are due from bronze too.
    Writer("s3_raw", reads=("bronze", "silver", SILVER_GATES), writes=("raw",)),
    Writer("s3_bronze", reads=("raw",), writes=("bronze",)),
    # A prediction is not compared where raw has pages that bronze has not.
    Writer(
        "s3_silver", reads=("bronze", RAW_API), writes=("silver", SILVER_GATES, "quarantine", "staging", RECONCILIATION)
    ),
    Writer("s3_warehouse", reads=("silver", SILVER_GATES, RECONCILIATION), writes=()),
    Writer("s3_metastore", reads=("silver",), writes=()),
    Writer("s3_dagster", reads=(), writes=("",), bucket=LOGS_BUCKET),
)

BUCKETS = (BUCKET, LOGS_BUCKET)


def _allow(actions: Sequence[str], resources: Sequence[str]) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": [f"arn:aws:s3:::{resource}" for resource in resources],
    }

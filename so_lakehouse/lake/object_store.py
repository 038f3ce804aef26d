"""How an object store is reached: any that speaks S3, by pyarrow, by deltalake and by Spark, from the same settings.

Belongs here: addresses, keys, and what each client calls them. Not here: what is written (`storage.py`), and for how
long a client goes on asking (`store_patience.py`).
Nothing is used that only one maker's server knows, and buckets are named in the path, which every server understands.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import pyarrow.fs as pafs

from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.lake.store_patience import BULK, DELTA, PUBLISHING, S3A_RETRIES, SPARK, Tries
from so_lakehouse.settings import Settings

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


PART = 16 << 20  # bytes of an upload that are held and sent at once; of 10,000 parts at most

# By these words errors of Spark, deltalake, pyarrow and boto3 tell that a store was asked.
CLIENTS = (
    "org.apache.hadoop.fs.s3a",
    "software.amazon.awssdk",
    "Generic S3 error",
    "AWS Error",
    "An error occurred (",
    "endpoint URL",
    "Unable to locate credentials",
)
AT_ONCE = 1000  # names in one request to delete, the most there may be
MOST_LETTERS = 500  # of what a client says; Spark adds pages


@dataclass(frozen=True)
class ObjectStore:
    """A server and who asks it. Without an address it is AWS, without keys whoever AWS' own chain finds."""

    endpoint: str = ""
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    region: str = "us-east-1"

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The store of the settings. Raises `BadInput` for an address without http(s):// and for half a key."""
        endpoint = settings.s3_endpoint.rstrip("/")
        parts = urlsplit(endpoint)
        if endpoint and (parts.scheme not in ("http", "https") or not parts.netloc or parts.path):
            raise BadInput(
                f"LAKEHOUSE_S3_ENDPOINT is {endpoint!r}; write it as https://host or http://host:9000 (empty for AWS)."
            )
        if bool(settings.s3_access_key) != bool(settings.s3_secret_key):
            raise BadInput(
                "Set both of LAKEHOUSE_S3_ACCESS_KEY and LAKEHOUSE_S3_SECRET_KEY, or neither to take the keys that "
                "AWS' own chain finds (environment, profile, role)."
            )
        return cls(endpoint, settings.s3_access_key, settings.s3_secret_key, settings.s3_region)

    def filesystem(self) -> pafs.S3FileSystem:
        """For pyarrow. Uploads go in parts, each sent before the next is filled: memory stays what one part takes.

        An object of one part is one request, and no request is made before there are bytes.
        """
        parts = urlsplit(self.endpoint)
        return pafs.S3FileSystem(
            access_key=self.access_key or None,
            secret_key=self.secret_key or None,
            region=self.region,
            scheme=parts.scheme or "https",
            endpoint_override=parts.netloc or None,
            background_writes=False,
            allow_delayed_open=True,
            connect_timeout=BULK.connect_seconds,
            request_timeout=BULK.request_seconds,
            retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=BULK.most),
        )

    def client(self, tries: Tries | None = None) -> Any:
        """For boto3, which does what pyarrow cannot: give up an upload, end one that nobody goes on with, delete
        objects by name."""
        import boto3  # a third of a second: only who writes or deletes waits
        from botocore.config import Config

        tries = tries or BULK
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint or None,
            region_name=self.region,
            aws_access_key_id=self.access_key or None,
            aws_secret_access_key=self.secret_key or None,
            config=Config(
                connect_timeout=tries.connect_seconds,
                read_timeout=tries.request_seconds,
                # `standard` would begin with 50 ms, and be through before a store has started again.
                retries={"total_max_attempts": tries.most, "mode": "legacy"},
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",  # older servers do not know the others
                response_checksum_validation="when_required",
            ),
        )

    def put(self, place: str, content: bytes) -> None:
        """Writes one object in one request, by the patience of `PUBLISHING`: boto3's own waits are left to chance."""
        bucket, _, key = place.partition("/")
        client = self.client(Tries(1, PUBLISHING.connect_seconds, PUBLISHING.request_seconds))
        until = time.monotonic() + PUBLISHING.retry_seconds
        while True:
            try:
                client.put_object(Bucket=bucket, Key=key, Body=content)
                return
            except Exception as error:
                if time.monotonic() > until or not _may_pass(error):
                    raise
            time.sleep(PUBLISHING.wait_seconds)

    def upload(self, place: str, pieces: Iterable[bytes]) -> None:
        """Writes one object of any size, of constant memory. Where the pieces break off, nothing of it is there, and
        what had the name before stays."""
        from boto3.s3.transfer import TransferConfig

        bucket, _, key = place.partition("/")
        source = io.BufferedReader(_Source(pieces), PART)
        config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, use_threads=False)
        self.client().upload_fileobj(source, bucket, key, Config=config)

    def delete(self, place: str) -> None:
        """Removes the object of this name (bucket and key) and all below it; silent where there is none.

        Names that end in / are what others made as folders. They go last, the deepest first: to a server that keeps
        objects as files they are folders.
        """
        bucket, _, key = place.partition("/")
        client = self.client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{key}/")
        names = [key, *(entry["Key"] for page in pages for entry in page.get("Contents", ()))]
        files = [name for name in names if not name.endswith("/")]
        folders = sorted((name for name in names if name.endswith("/")), key=len, reverse=True)
        batches = [files[first : first + AT_ONCE] for first in range(0, len(files), AT_ONCE)]
        for some in (*batches, *([folder] for folder in folders)):
            gone = client.delete_objects(
                Bucket=bucket, Delete={"Objects": [{"Key": name} for name in some], "Quiet": True}
            )
            if refused := gone.get("Errors"):
                raise OSError(f"AWS Error {refused[0].get('Code')} in deleting {refused[0].get('Key')}")

    def end_uploads(self, place: str, before: datetime) -> int:
        """Ends uploads below this place that were begun before and never became objects; returns how many."""
        bucket, _, key = place.partition("/")
        client = self.client()
        pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=f"{key}/")
        dead = [u for page in pages for u in page.get("Uploads", ()) if u["Initiated"] < before]
        for upload in dead:
            client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        return len(dead)

    def deltalake_options(self) -> dict[str, str]:
        """For deltalake, whose commit is then a put that fails where the version is there already (`If-None-Match`)."""
        options = {
            "aws_region": self.region,
            "aws_conditional_put": "etag",
            "connect_timeout": f"{DELTA.connect_seconds}s",
            "timeout": f"{DELTA.request_seconds}s",
            # It would begin with a tenth of a second and be through with five tries before a second is over.
            "backoff_config.init_backoff": "1s",
            "backoff_config.max_backoff": f"{DELTA.wait_seconds}s",
            "max_retries": str(DELTA.retry_seconds),  # of a second at least: the clock ends them
            "retry_timeout": f"{DELTA.retry_seconds}s",
        }
        if self.access_key:
            options |= {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret_key}
        if self.endpoint:
            options |= {
                "aws_endpoint_url": self.endpoint,
                "aws_virtual_hosted_style_request": "false",
                "aws_allow_http": str(self.endpoint.startswith("http://")).lower(),
            }
        return options

    def spark_options(self) -> dict[str, str]:
        """For Spark's file system `s3a`, as configuration of a session."""
        options = {
            "endpoint.region": self.region,
            "path.style.access": "true",
            "connection.establish.timeout": f"{SPARK.connect_seconds}s",
            "connection.timeout": f"{SPARK.request_seconds}s",
            "attempts.maximum": str(SPARK.most),
            "retry.limit": str(S3A_RETRIES),
            # Of SlowDown alone it would have twenty, each wait twice the last: nobody would see the end of an upload.
            "retry.throttle.limit": str(S3A_RETRIES),
            "retry.throttle.interval": "500ms",
        }
        if self.access_key:
            provider = "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider"
            options |= {"access.key": self.access_key, "secret.key": self.secret_key}
            options["aws.credentials.provider"] = provider
        if self.endpoint:
            secure = str(self.endpoint.startswith("https://")).lower()
            options |= {"endpoint": self.endpoint, "connection.ssl.enabled": secure}
        return {f"spark.hadoop.fs.s3a.{name}": value for name, value in options.items()}

    def is_cause(self, error: Exception) -> bool:
        """Whether an error of any client tells of this store."""
        return any(name in str(error) for name in CLIENTS)

    def unavailable(self, place: str, error: Exception) -> Unavailable:
        """What a request ended in, for people. `place`: bucket and prefix."""
        said = " ".join(str(error).partition("\n\tat ")[0].split())[:MOST_LETTERS]
        return Unavailable(
            f"The object store at {self.endpoint or 'AWS'} does not do what was asked in {place}: {said}. See that it "
            "runs, that the bucket is there, and that LAKEHOUSE_S3_ENDPOINT, LAKEHOUSE_S3_ACCESS_KEY and "
            "LAKEHOUSE_S3_SECRET_KEY are right; then run again."
        )


def _may_pass(error: Exception) -> bool:
    """Whether boto3 met a store that is away, or that asks to be left alone for a while: 503 SlowDown, 500."""
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

    if isinstance(error, ClientError):
        return error.response["ResponseMetadata"]["HTTPStatusCode"] in (429, 500, 502, 503, 504)
    return isinstance(error, HTTPClientError | ConnectionError)


class _Source(io.RawIOBase):
    """Pieces as a file to read from, from its beginning to its end."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        target = memoryview(buffer)
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

"""Where what the lakehouse keeps lies, and with which keys who writes what."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from so_lakehouse.settings.entry import PROJECT_ROOT, setting


@dataclass(frozen=True)
class LakeSettings:
    """Where what the lakehouse keeps lies, and with which keys who writes what."""

    home: Path = setting("LAKEHOUSE_HOME", PROJECT_ROOT / ".lakehouse", "Folder of everything the lakehouse keeps.")
    lake: str = setting(
        "LAKEHOUSE_LAKE",
        "",
        "Where lake files lie: a folder, file:///folder or s3://bucket/prefix; default <home>/lake.",
    )
    s3_endpoint: str = setting(
        "LAKEHOUSE_S3_ENDPOINT",
        "",
        "Address of the object store that a lake in s3:// lies in, such as http://host:9000; default AWS.",
    )
    s3_access_key: str = setting(
        "LAKEHOUSE_S3_ACCESS_KEY", "", "Access key of the object store; default what AWS' own chain finds."
    )
    s3_secret_key: str = setting("LAKEHOUSE_S3_SECRET_KEY", "", "Secret key of the object store.", secret=True)
    s3_region: str = setting("LAKEHOUSE_S3_REGION", "us-east-1", "Region of the object store.")
    s3_raw_key: str = setting(
        "LAKEHOUSE_S3_RAW_KEY",
        "",
        "Key of who writes raw, as ACCESS:SECRET; default LAKEHOUSE_S3_ACCESS_KEY.",
        secret=True,
    )
    s3_bronze_key: str = setting("LAKEHOUSE_S3_BRONZE_KEY", "", "The same of who writes bronze.", secret=True)
    s3_silver_key: str = setting(
        "LAKEHOUSE_S3_SILVER_KEY", "", "The same of who writes silver, which Spark does.", secret=True
    )
    s3_warehouse_key: str = setting(
        "LAKEHOUSE_S3_WAREHOUSE_KEY", "", "The same of who reads silver into the warehouse.", secret=True
    )
    disk_reserve_bytes: int = setting(
        "LAKEHOUSE_DISK_RESERVE", 1_000_000_000, "Bytes that must stay free on the disk after a step."
    )
    keep_personal: bool = setting(
        "LAKEHOUSE_KEEP_PERSONAL", False, "Keep names, places and texts about people in silver."
    )
    retention_hours: int = setting(
        "LAKEHOUSE_RETENTION_HOURS",
        720,
        "Hours for which maintenance keeps earlier versions of silver, and so what was deleted; at most 720.",
    )
    bronze_quarters: int = setting(
        "LAKEHOUSE_BRONZE_QUARTERS",
        2,
        "Newest quarters of a site that maintenance keeps in bronze (at least 1), besides those that silver rests on.",
    )
    raw_quarters: int = setting(
        "LAKEHOUSE_RAW_QUARTERS",
        0,
        "Newest quarters of a site that maintenance keeps in raw, besides those that bronze holds; 0 keeps all.",
    )
    accept_shrink: bool = setting(
        "LAKEHOUSE_ACCEPT_SHRINK", False, "Let a dump delete more than 10 % and 100 rows of a table."
    )
    fail_at: str = setting("LAKEHOUSE_FAIL_AT", "", "Name of the fail point at which the process kills itself (tests).")

    @property
    def lake_uri(self) -> str:
        return self.lake or str(self.home / "lake")

    @property
    def lake_is_in_s3(self) -> bool:
        return self.lake_uri.startswith(("s3://", "s3a://"))

    def of_writer(self, layer: str) -> Self:
        """These settings as who makes a layer (raw, bronze, silver, warehouse) has them: with the object store's key of
        that layer, where it has one of its own."""
        key: str = getattr(self, f"s3_{layer}_key")
        access, _, secret = key.partition(":")
        return replace(self, s3_access_key=access, s3_secret_key=secret) if key else self

"""Moments from Spark, by whole microseconds: a collected timestamp would come in the time zone of this machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(micros: int) -> datetime:
    """UTC, of `unix_micros`."""
    return EPOCH + timedelta(microseconds=micros)

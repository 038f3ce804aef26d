"""Moments between Spark and Python, by whole microseconds: a collected timestamp would come in this machine's time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(micros: int) -> datetime:
    """UTC, of `unix_micros`."""
    return EPOCH + timedelta(microseconds=micros)

"""From the bytes of a reply to what the API says: items, whether there are more, quota, backoff; or an error.

Belongs here: decoding and judging one body. Not here: what to do about an error (`client.py`).
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from typing import Any

from so_lakehouse.patience import Transient

MAX_BODY_BYTES = 64 << 20  # a hundred of the longest posts there are make 6 MB
_SHOWN_BYTES = 60


@dataclass(frozen=True)
class Reply:
    """One body. `error_id` is 0 where the question was answered; quota is None where a reply does not tell it."""

    items: list[Any] = field(default_factory=list)
    has_more: bool = False
    quota_remaining: int | None = None
    quota_max: int | None = None
    backoff: float = 0.0  # seconds to leave this method alone
    error_id: int = 0
    error_message: str = ""


def text_of(body: bytes) -> str:
    """The text of a body as it came, packed or not; raises `Transient` for bytes that were cut off or are no text.

    The API packs every answer, but errors from the front of its stack come plain, whatever the headers say: the first
    bytes decide.
    """
    if body[:2] == b"\x1f\x8b":
        body = _unpacked(body, 16 + zlib.MAX_WBITS)
    elif body[:1] == b"\x78" and int.from_bytes(body[:2]) % 31 == 0:  # zlib's own header; text begins otherwise
        body = _unpacked(body, zlib.MAX_WBITS)
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Transient(f"the reply is not UTF-8 (byte {error.start:,})") from None


def read_reply(text: str) -> Reply:
    """What a reply says. Raises `Transient` for what is no reply of the API, such as a page in HTML."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError:
        raise Transient(f"the reply is not JSON: {text[:_SHOWN_BYTES]!r}") from None
    if not isinstance(content, dict) or not ("items" in content or "error_id" in content):
        raise Transient(f"the reply is none of this API: {text[:_SHOWN_BYTES]!r}")
    items = content.get("items", [])
    if not isinstance(items, list):
        raise Transient(f"the reply has no list of items: {text[:_SHOWN_BYTES]!r}")
    return Reply(
        items=items,
        has_more=content.get("has_more") is True,
        quota_remaining=_number(content.get("quota_remaining")),
        quota_max=_number(content.get("quota_max")),
        backoff=float(_number(content.get("backoff")) or 0),
        error_id=_number(content.get("error_id")) or 0,
        error_message=str(content.get("error_message", "")),
    )


def _unpacked(body: bytes, window_bits: int) -> bytes:
    unpacking = zlib.decompressobj(window_bits)
    try:
        text = unpacking.decompress(body, MAX_BODY_BYTES)
    except zlib.error as error:
        raise Transient(f"the packed reply is damaged ({error})") from None
    if unpacking.unconsumed_tail:
        raise Transient(f"the reply unpacks to more than {MAX_BODY_BYTES:,} bytes")
    if not unpacking.eof:
        raise Transient(f"the packed reply ends after {len(body):,} bytes")
    return text


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None

"""HTTP as mirrors need it: a text, a JSON, a size, or the bytes of a file from a position on.

Belongs here: what a status means (try again, not there, refused). Does not belong here: addresses and layouts.
Every request has its own connection: requests are few, transfers long, and none outlives its block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from so_lakehouse.dumps.mirrors.contract import Opened, shown
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.patience import Patience, Transient, retry_after

HEADERS = {
    "User-Agent": "so_lakehouse (reads Stack Exchange data dumps)",
    "Connection": "close",
    "Accept-Encoding": "identity",
}
TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
NOT_THERE = frozenset({404, 410})
CHUNK_BYTES = 1 << 16  # what a broken connection can lose of what it brought
NO_HEAD = frozenset({405, 501})


def get_text(address: str, patience: Patience) -> str | None:
    """The text at an address, UTF-8; None where there is none."""

    def ask() -> str | None:
        with _request("GET", address, patience) as response:
            return None if response.status_code in NOT_THERE else response.content.decode("utf-8-sig")

    try:
        return patience.until_answered(ask)
    except UnicodeDecodeError as error:
        raise BadInput(f"{shown(address)} is not UTF-8 text: {error}.") from None


def get_json(address: str, patience: Patience) -> Any:
    """The JSON at an address; None where there is none. A page that is no JSON (an error page) is tried again."""

    def ask() -> Any:
        with _request("GET", address, patience) as response:
            if response.status_code in NOT_THERE:
                return None
            try:
                return response.json()
            except requests.JSONDecodeError:
                raise Transient(f"{shown(address)} answered {response.content[:60]!r}, which is not JSON.") from None

    return patience.until_answered(ask)


def get_size(address: str, patience: Patience) -> int | None:
    """Bytes of the file at an address; None where there is none."""

    def ask() -> int | None:
        for method in ("HEAD", "GET"):
            with _request(method, address, patience) as response:
                if response.status_code in NO_HEAD:
                    continue
                if response.status_code in NOT_THERE:
                    return None
                length = response.headers.get("Content-Length", "")
                if length.isdigit():
                    return int(length)
        raise Unavailable(f"{shown(address)} does not say how large it is (no Content-Length). Choose another mirror.")

    return patience.until_answered(ask)


@contextmanager
def open_bytes(address: str, size: int, start: int, validator: str, patience: Patience) -> Iterator[Opened]:
    """The file's bytes from `start` on; from 0 where the server has other bytes now, or does not serve ranges.

    Raises `Transient` (also while its chunks are read) where another try can help.
    """
    resume = {"Range": f"bytes={start}-", "If-Range": validator} if start and validator else {}
    with _request("GET", address, patience, resume) as response:
        if response.status_code in NOT_THERE:
            raise Unavailable(
                f"{shown(address)} has gone (HTTP {response.status_code}). Choose another mirror or release."
            )
        begin, total = 0, response.headers.get("Content-Length", "")
        if response.status_code == 206:
            served = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
            if not served or int(served[1]) != start:
                raise Unavailable(
                    f"{shown(address)} answered bytes {start}- with {response.headers.get('Content-Range')!r}."
                )
            begin, total = start, served[2]
        if total.isdigit() and int(total) != size:
            raise Unavailable(f"{shown(address)} has {total} bytes; it was announced with {size}. Try again later.")
        # A weak ETag does not promise the same bytes.
        etag = response.headers.get("ETag", "")
        current = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")
        yield Opened(begin, current, _chunks(response, address))


def _chunks(response: requests.Response, address: str) -> Iterator[bytes]:
    try:
        yield from response.iter_content(CHUNK_BYTES)
    except requests.RequestException as error:
        raise Transient(f"{shown(address)}: the connection broke ({type(error).__name__}).") from error


@contextmanager
def _request(
    method: str, address: str, patience: Patience, headers: dict[str, str] | None = None
) -> Iterator[requests.Response]:
    timeout = (patience.connect_timeout, patience.read_timeout)
    try:
        with requests.request(
            method, address, headers=HEADERS | (headers or {}), stream=True, allow_redirects=True, timeout=timeout
        ) as response:
            _judge(response, address)
            yield response
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise Transient(f"{shown(address)} cannot be reached ({type(error).__name__}).") from error
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.TooManyRedirects) as error:
        raise BadInput(f"{shown(address)} cannot be asked: {error}.") from None


def _judge(response: requests.Response, address: str) -> None:
    status = response.status_code
    if status in TRY_AGAIN:
        raise Transient(
            f"{shown(address)} answered HTTP {status}.", retry_after(response.headers.get("Retry-After", ""))
        )
    if status == 416:  # the file is shorter now than what we have of it
        raise Unavailable(f"{shown(address)} is shorter than it was announced. Try again later.")
    if status >= 400 and status not in NOT_THERE and status not in NO_HEAD:
        raise Unavailable(f"{shown(address)} refused (HTTP {status}). Check the address and your access to it.")

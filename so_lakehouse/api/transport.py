"""HTTP as the API needs it: one GET with the key, and the bytes that came back, within a time and a size.

Belongs here: connections, the key, timeouts. Not here: what the bytes say (`reply.py`). The key is in no message, no
stored request and no traceback.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import requests
import urllib3

from so_lakehouse.api.reply import MAX_BODY_BYTES
from so_lakehouse.errors import BadInput
from so_lakehouse.patience import Transient

HEADERS = {"User-Agent": "so_lakehouse (keeps a site's public posts current)", "Accept-Encoding": "gzip"}
KEPT_HEADERS = ("Content-Encoding", "Content-Type", "Date", "Retry-After")
CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class Received:
    """One answer: status, the headers that matter, and the body's bytes as they came, packed or not."""

    status: int
    headers: dict[str, str]
    body: bytes


class Transport:
    """Connections to one API. `seconds` bounds one answer in all: a server that drips byte by byte is left too."""

    def __init__(
        self, address: str, key: str, auth: str, connect_timeout: float, read_timeout: float, seconds: float
    ) -> None:
        self.address, self._key, self._auth = address.rstrip("/"), key, auth
        self._timeouts, self._seconds = (connect_timeout, read_timeout), seconds
        self._session = requests.Session()

    def get(self, path: str, parameters: Mapping[str, str]) -> Received:
        """The answer to `GET <address><path>`; raises `Transient` where another try can help."""
        query = {**parameters, "key": self._key} if self._key and self._auth == "query" else dict(parameters)
        began = time.monotonic()
        try:
            with self._session.get(
                f"{self.address}{path}",
                params=query,
                headers=HEADERS,
                auth=self._authorize,  # given, so that requests does not look for another one in ~/.netrc
                timeout=self._timeouts,
                stream=True,
                allow_redirects=False,
            ) as response:
                body = self._read(response.raw, began)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            told = f"{self.address} cannot be reached ({type(error).__name__})."
            if isinstance(error, ValueError):  # the address itself
                raise BadInput(f"{told} Check LAKEHOUSE_API.") from None
            raise Transient(told) from None  # the error's own words may hold the key
        kept = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        return Received(response.status_code, kept, body)

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key and self._auth == "header":
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request

    def _read(self, raw: urllib3.BaseHTTPResponse, began: float) -> bytes:
        body = bytearray()
        while chunk := raw.read1(CHUNK_BYTES, decode_content=False):
            body += chunk
            if time.monotonic() - began > self._seconds:
                raise Transient(f"{self.address} took more than {self._seconds:.0f} seconds for one answer.")
            if len(body) > MAX_BODY_BYTES:
                raise Transient(f"{self.address} sent more than {MAX_BODY_BYTES:,} bytes for one answer.")
        return bytes(body)

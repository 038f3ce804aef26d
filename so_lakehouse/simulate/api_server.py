"""A web server that speaks the Stack Exchange API 2.3 from sites in memory, and fails exactly as it is told.

Belongs here: HTTP, keys, quota, backoff, filters, faults. Not here: rows and queries (`api_site.py`). It keeps the
rules that the API documents, and holds against a client what it breaks of them (`violations`).
"""

from __future__ import annotations

import base64
import gzip
import json
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from so_lakehouse.simulate.api_site import KEYS, ApiSite, Refused, served

VERSION = "/2.3"
WINDOW_SECONDS = 24 * 3600
SAME_QUESTION_SECONDS = 60
MOST_PER_SECOND = 30
NAMES = {400: "bad_parameter", 403: "access_denied", 404: "no_method", 500: "internal_error", 502: "throttle_violation"}


Server = TypeVar("Server", bound="ApiServer")


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer; the defaults are a good answer."""

    status: int = 0  # answered at once, with `body`
    body: bytes = b"<html><body>Down for maintenance</body></html>"
    headers: dict[str, str] = field(default_factory=dict)
    error_id: int = 0  # an error of the API, with `message`
    message: str = ""
    plain: bool = False  # not packed
    cut: int = 0  # bytes that are missing at the end of the packed body, though its length is right
    reset_after: int | None = None  # bytes of the body, then the connection is reset
    drip: float = 0.0  # seconds between bytes
    backoff: int = 0  # in a good answer; held against whoever asks again sooner
    says_more: bool = False  # `has_more` where there is none
    repeated: bool = False  # the answer before this one, once more
    hides: int = 0  # the how-manieth row of an answer by ids is left out of it, though it is there
    before: Callable[[], None] | None = None  # happens to the site just before it answers

    @property
    def is_broken(self) -> bool:
        """Whether asking again at once is what the answer calls for."""
        return bool(self.cut or self.reset_after is not None or self.drip)


class ApiServer(ThreadingHTTPServer):
    """`sites` by their API parameter; `faults`: each question takes and suffers the first; `broken`: where there is
    none, what each question of a method suffers (`comments`, `comments/{ids}`). `now`: the server's clock.

    `requests` is what was asked: path with query, without the key.
    """

    daemon_threads = True

    def __init__(
        self,
        now: Callable[[], float] = time.time,
        port: int = 0,
        handler: type[BaseHTTPRequestHandler] | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", port), handler or ApiHandler)
        self.now = now
        self.sites: dict[str, ApiSite] = {}
        self.keys = {"secret-key"}
        self.quota_max, self.quota_without_key = 10_000, 300
        self.faults: list[Fault] = []
        self.broken: dict[str, Fault] = {}
        self.requests: list[str] = []
        self.violations: list[str] = []
        self.lock = Lock()
        self._used: dict[str, tuple[float, int]] = {}  # per key: when its day began, questions since
        self._not_before: dict[str, float] = {}
        self._answered: dict[str, float] = {}
        self._times: list[float] = []
        self._last = b""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{VERSION}"

    def used(self, key: str) -> int:
        """Questions of the current day of this key's quota."""
        return self._used.get(key, (0.0, 0))[1]

    def use_up(self) -> None:
        """Leaves nothing of the current day of every key's quota."""
        for key, (began, _) in self._used.items():
            self._used[key] = began, self.quota_max if key else self.quota_without_key

    def answer(self, path: str, query: dict[str, str], key: str, fault: Fault) -> tuple[int, bytes]:
        """Status and body (JSON) of one question."""
        asked, now = f"{path}?{sorted(query.items())}", self.now()
        self._note(asked, now)
        status, body = self._reply(path, query, key, fault, now)
        if status == 200 and not fault.is_broken:
            self._answered[asked] = now
        return status, body

    def _reply(self, path: str, query: dict[str, str], key: str, fault: Fault, now: float) -> tuple[int, bytes]:
        try:
            left, most = self._count(key, now)
            if fault.error_id:
                raise Refused(fault.error_id, fault.message)
            if fault.repeated and self._last:
                return 200, self._last
            content = self._content(path, query, key, fault, now)
        except Refused as refused:
            name = NAMES.get(refused.error_id, "error")
            error = {"error_id": refused.error_id, "error_name": name, "error_message": refused.message}
            return 400, json.dumps(error).encode()
        quota = {"quota_max": most, "quota_remaining": left}
        backoff = {"backoff": fault.backoff} if fault.backoff else {}
        self._last = json.dumps(content | quota | backoff).encode()
        return 200, self._last

    def _content(self, path: str, query: dict[str, str], key: str, fault: Fault, now: float) -> dict[str, Any]:
        method, _, ids = path.removeprefix(f"{VERSION}/").partition("/")
        if path == f"{VERSION}/filters/create":
            return {"items": [self._make_filter(query)], "has_more": False}
        if not path.startswith(f"{VERSION}/") or method not in KEYS:
            raise Refused(404, "no method found with this name")
        place = _place(path)
        if now < self._not_before.get(place, 0.0):
            self.violations.append(f"{place} was asked {self._not_before[place] - now:.1f} s before its backoff ended")
            raise Refused(502, "Violation of backoff parameter")
        if fault.backoff:
            self._not_before[place] = now + fault.backoff
        if "site" not in query:
            raise Refused(400, "site is required")
        if query["site"] not in self.sites:
            raise Refused(400, f"No site found for name `{query['site']}`")
        name = query.get("filter", "default")
        included = None if name == "default" else _fields_in(name)
        site = self.sites[query["site"]]
        site.reach(now)
        rows, has_more = site.answer(method, ids, query, bool(key))
        if ids and fault.hides:
            rows = [row for place, row in enumerate(rows, 1) if place != fault.hides]
        items = [served(method, row, included) for row in rows]
        return {"items": items, "has_more": has_more or fault.says_more}

    def _make_filter(self, query: dict[str, str]) -> dict[str, Any]:
        included = [name for name in query.get("include", "").split(";") if name]
        kind = "unsafe" if query.get("unsafe") == "true" else "safe"
        return {"filter": _filter_name(included), "filter_type": kind, "included_fields": included}

    def _count(self, key: str, now: float) -> tuple[int, int]:
        """What is left of the quota after this question; raises `Refused` where nothing is."""
        if key and key not in self.keys:
            raise Refused(400, "`key` doesn't match a known application")
        most = self.quota_max if key else self.quota_without_key
        began, used = self._used.get(key, (now, 0))
        if now >= began + WINDOW_SECONDS:
            began, used = now, 0
        if used >= most:
            self.violations.append("asked with no quota left")
            seconds = round(began + WINDOW_SECONDS - now)
            raise Refused(502, f"too many requests from this IP, more requests available in {seconds} seconds")
        self._used[key] = began, used + 1
        return most - used - 1, most

    def _note(self, asked: str, now: float) -> None:
        self.requests.append(asked)
        self._times = [moment for moment in self._times if now - moment < 1] + [now]
        if len(self._times) > MOST_PER_SECOND:
            self.violations.append(f"{len(self._times)} requests within a second")
        if now - self._answered.get(asked, -SAME_QUESTION_SECONDS) < SAME_QUESTION_SECONDS:
            self.violations.append(f"asked again within a minute: {asked}")


def _place(path: str) -> str:
    """The method that a path asks, without ids."""
    method, _, ids = path.removeprefix(f"{VERSION}/").partition("/")
    return f"{method}/{{ids}}" if ids else method


def _filter_name(included: list[str]) -> str:
    """A filter never expires, so its name holds its fields: a server that starts anew knows it too."""
    return "!" + base64.urlsafe_b64encode(zlib.compress(";".join(included).encode(), 9)).decode()


def _fields_in(name: str) -> frozenset[str]:
    try:
        return frozenset(zlib.decompress(base64.urlsafe_b64decode(name.removeprefix("!"))).decode().split(";"))
    except (ValueError, zlib.error):
        raise Refused(400, "filter") from None


class ApiHandler(BaseHTTPRequestHandler):
    server: ApiServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for the client's word that it has the headers

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        key = query.pop("key", "") or self.headers.get("Authorization", "").removeprefix("Bearer ")
        with self.server.lock:
            broken = self.server.broken.get(_place(url.path), Fault())
            fault = self.server.faults.pop(0) if self.server.faults else broken
            if fault.before:
                fault.before()
            if fault.status:
                self.server.requests.append(f"{url.path}?{sorted(query.items())}")
                self._send(fault.status, fault.body, fault, "text/html", packed=False)
                return
            status, body = self.server.answer(url.path, query, key, fault)
        packed = not fault.plain and "gzip" in self.headers.get("Accept-Encoding", "")
        body = gzip.compress(body, 6) if packed else body
        self._send(status, body[: len(body) - fault.cut], fault, "application/json; charset=utf-8", packed)

    def _send(self, status: int, body: bytes, fault: Fault, kind: str, packed: bool) -> None:
        headers = {"Content-Type": kind, "Content-Length": str(len(body))}
        self.send_response(status)
        for name, value in (headers | ({"Content-Encoding": "gzip"} if packed else {}) | fault.headers).items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(ConnectionError):  # a client may go
            if fault.drip:
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    time.sleep(fault.drip)
            else:
                self.wfile.write(body[: fault.reset_after])
        if fault.reset_after is not None:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.connection.close()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The header Date, by the server's clock."""
        return super().date_time_string(self.server.now() if timestamp is None else timestamp)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: `requests` holds what was asked."""


@contextmanager
def serving(now: Callable[[], float] = time.time) -> Iterator[ApiServer]:
    """A server on a free port of 127.0.0.1, for the block."""
    with running(ApiServer(now)) as server:
        yield server


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Lets the server answer in the background, for the block; closed at its end."""
    with server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

"""A real web server on 127.0.0.1 that serves files with ranges and validators, and fails exactly as it is told.

`server.faults[path]` is a list: each GET of that path takes and suffers the first fault; after the last, all is well.
"""

from __future__ import annotations

import hashlib
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer; the defaults are a good answer."""

    status: int = 0  # answered at once, with `body`
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"<html>overloaded</html>"
    cut_after: int | None = None  # bytes of the body, then the connection breaks
    reset: bool = False  # breaks it with a reset instead of an end
    ignore_range: bool = False  # 200 and the whole file
    extra_length: int = 0  # added to Content-Length
    stall: float = 0.0  # seconds of silence before the body
    pace: float = 0.0  # seconds of silence after every 64 KiB


class FaultServer(ThreadingHTTPServer):
    """`files` by path (without query); `requests` is what was asked: (method, path, Range, status)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[Fault]] = {}
        self.validators = True
        self.etag = ""  # in place of one that follows from the content: a server that lies
        self.head = True
        self.requests: list[tuple[str, str, str, int]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def got(self, path: str) -> list[tuple[str, int]]:
        """(Range, status) of every GET of a path."""
        return [(span, status) for method, asked, span, status in self.requests if (method, asked) == ("GET", path)]


class _Handler(BaseHTTPRequestHandler):
    server: FaultServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        if not self.server.head:
            self._answer(405, {}, b"")
            return
        content = self.server.files.get(urlsplit(self.path).path)
        self._answer(404 if content is None else 200, {"Content-Length": str(len(content or b""))}, b"")

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        faults = self.server.faults.get(path, [])
        fault = faults.pop(0) if faults else Fault()
        content = self.server.files.get(path)
        if fault.status or content is None:
            self._answer(fault.status or 404, fault.headers, fault.body)
            return
        etag = self.server.etag or f'"{hashlib.sha1(content, usedforsecurity=False).hexdigest()}"'
        headers = {"ETag": etag} if self.server.validators else {}
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        status, body = 200, content
        if span and not fault.ignore_range and self.headers.get("If-Range") == etag:
            start = int(span[1])
            status, body = 206, content[start:]
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        headers["Content-Length"] = str(len(body) + fault.extra_length)
        self._answer(status, headers | fault.headers, body, fault)

    def _answer(self, status: int, headers: dict[str, str], body: bytes, fault: Fault | None = None) -> None:
        fault = fault or Fault()
        self.server.requests.append((self.command, urlsplit(self.path).path, self.headers.get("Range", ""), status))
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        time.sleep(fault.stall)
        with suppress(ConnectionError):  # a client may go
            self._send(body if fault.cut_after is None else body[: fault.cut_after], fault.pace)
        self.close_connection = True
        if fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.connection.close()

    def _send(self, body: bytes, pace: float) -> None:
        for start in range(0, len(body), 1 << 16):
            self.wfile.write(body[start : start + (1 << 16)])
            time.sleep(pace)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: `requests` holds what was asked."""


@contextmanager
def fault_server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

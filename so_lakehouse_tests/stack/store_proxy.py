"""A door in front of a real object store: every request and answer passes as it is, or is answered 503 SlowDown.

A store that is overloaded says so to whoever asks at that moment. Here each kind of client is told so as many times in
a row as the test says, so that all of them meet it. A server behind it that is down is a connection that breaks off.
Requests of one kind can be made to wait at the door: what a test does meanwhile happens in the middle of the work.
"""

from __future__ import annotations

import http.client
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from urllib.parse import urlsplit

# A client by how its User-Agent begins.
CLIENTS = {"aws-sdk-cpp": "pyarrow", "Boto3": "boto3", "deltalake": "deltalake", "object_store": "deltalake"}
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
OF_THE_CONNECTION = {"connection", "keep-alive"}
OF_THE_ANSWERS_FORM = {*OF_THE_CONNECTION, "transfer-encoding", "content-length"}
MOST_SECONDS = 120  # that a request waits at the door


@dataclass(frozen=True)
class Held:
    """Requests that wait: by their method, and a pattern in their path with its query."""

    method: str
    pattern: str
    here: Event = field(default_factory=Event)
    let_go: Event = field(default_factory=Event)


class StoreProxy(ThreadingHTTPServer):
    """`times`: how often each client is refused from now on; `refused` counts by client."""

    daemon_threads = True

    def __init__(self, address: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server_behind = urlsplit(address).netloc
        self.times = 0
        self.refused: Counter[str] = Counter()
        self._held: Held | None = None
        self._counting = Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def refuse(self, times: int) -> None:
        with self._counting:
            self.times = times
            self.refused.clear()

    @contextmanager
    def held(self, method: str, pattern: str) -> Iterator[Event]:
        """For the block such requests wait, with all that they bring; the event says that the first is here."""
        self._held = held = Held(method, pattern)
        try:
            yield held.here
        finally:
            self._held = None
            held.let_go.set()

    def hold(self, method: str, path: str) -> None:
        """Returns when this request may pass."""
        held = self._held
        if held and method == held.method and re.search(held.pattern, path):
            held.here.set()
            held.let_go.wait(MOST_SECONDS)

    def is_refused(self, user_agent: str) -> bool:
        client = next((name for begin, name in CLIENTS.items() if user_agent.startswith(begin)), "")
        client = client or ("spark" if "java" in user_agent.lower() else user_agent)
        with self._counting:
            if self.refused[client] >= self.times:
                return False
            self.refused[client] += 1
            return True

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing: that a server behind it is down, and clients go, is what the tests make happen."""


class _Handler(BaseHTTPRequestHandler):
    server: StoreProxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a content waits 40 ms behind its headers

    def _pass(self) -> None:
        pieces = list(self._pieces())
        self.server.hold(self.command, self.path)
        if self.server.is_refused(self.headers.get("User-Agent", "")):
            self._answer(503, [("Content-Type", "application/xml")], SLOW_DOWN)
            return
        behind = http.client.HTTPConnection(self.server.server_behind, timeout=60)
        try:
            behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():  # Host too: it is signed
                if name.lower() not in (*OF_THE_CONNECTION, "expect"):
                    behind.putheader(name, value)
            in_chunks = "Transfer-Encoding" in self.headers
            behind.endheaders(iter(pieces), encode_chunked=in_chunks)
            answer = behind.getresponse()
            content = answer.read()
        except OSError:
            self.close_connection = True  # without an answer
            return
        finally:
            behind.close()
        self._answer(answer.status, answer.getheaders(), content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass  # noqa: N815 (the base class asks for these names)

    def _pieces(self) -> Iterator[bytes]:
        """What is sent to be stored: of a length that is told, or in chunks."""
        if "Transfer-Encoding" not in self.headers:
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers; S3's own are in the chunks
            pass

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        for name, value in headers:
            if name.lower() not in OF_THE_ANSWERS_FORM:
                self.send_header(name, value)
        if self.command == "HEAD" and lengths:
            self.send_header("Content-Length", lengths[0])
        else:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def store_proxy(address: str) -> Iterator[StoreProxy]:
    """In front of the server at this address, until the block ends."""
    with StoreProxy(address) as proxy:
        thread = Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()

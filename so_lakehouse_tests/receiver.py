"""A webhook on this machine, as somebody's chat would have one: it keeps what it is sent, and can be told to refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Receiver:
    """`address`: for LAKEHOUSE_ALERTS, with a secret in it. `bodies`: what was taken, byte for byte."""

    port: int
    secret: str = "tok3n-of-the-hook"
    refusing: bool = False
    bodies: list[bytes] = field(default_factory=list)
    asked: int = 0

    @property
    def address(self) -> str:
        return f"json://somebody:pa55word@127.0.0.1:{self.port}/{self.secret}"

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """Serves while the block runs, at this port or any."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.asked += 1
            if not made.refusing:
                made.bodies.append(body)
            self.send_response(503 if made.refusing else 200)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    made = Receiver(server.server_port)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()

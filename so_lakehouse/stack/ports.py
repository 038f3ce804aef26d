"""Ports of the stack on this machine: who has one that we want, and which setting moves ours."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from so_lakehouse.errors import Unavailable

LOCAL = "127.0.0.1"
# A process that was killed has its port until the last of its threads has ended, and then nobody is to be named.
DYING_SECONDS = 3.0


@dataclass(frozen=True)
class Port:
    """A port with the setting that it comes from."""

    number: int
    variable: str


def require_free(ports: Iterable[Port]) -> None:
    """Raises `Unavailable` where somebody listens on one of the ports; it names port, holder and setting."""
    for port in ports:
        until = time.monotonic() + DYING_SECONDS
        while not _is_free(port.number):
            holder = _holder(port.number)
            if holder or time.monotonic() > until:
                raise Unavailable(
                    f"Port {port.number} is taken{holder}. End that, or set {port.variable} to another port."
                )
            time.sleep(0.05)


def answers(port: int, host: str = LOCAL) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as attempt:
        attempt.settimeout(1)
        return attempt.connect_ex((host, port)) == 0


def _is_free(number: int) -> bool:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: old connections do not count
        try:
            attempt.bind((LOCAL, number))
        except OSError:
            return False
        return True


def _holder(number: int) -> str:
    """`" by java (process 123)"` where the system tells; it hides others' processes from all but root."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:  # macOS tells root alone
        return ""
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == number and connection.pid:
            try:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
            except psutil.NoSuchProcess:
                return ""
    return ""

"""Who holds a lock: a process, written down so that another can tell who it is and whether it still lives."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil


def me(what: str) -> dict[str, Any]:
    """This process as a holder. `what` it does, for people; its children are those that it has now."""
    this = psutil.Process()
    children = [{"pid": child.pid, "started": child.create_time()} for child in this.children(recursive=True)]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    place = {"what": what, "host": socket.gethostname(), "machine": machine(), "since": now}
    return {"pid": this.pid, "started": this.create_time(), "children": children} | place


def described(content: dict[str, Any]) -> str:
    """The holder, for people."""
    if not content:
        return "another process"
    return f"{content['what']} (process {content['pid']} on {content['host']}, since {content['since']})"


def is_this_process(process: dict[str, Any]) -> bool:
    this = psutil.Process()
    return (process["pid"], process["started"]) == (this.pid, this.create_time())


def is_alive(process: dict[str, Any]) -> bool:
    """Of a process of this machine."""
    try:
        found = psutil.Process(process["pid"])
        return found.create_time() == process["started"] and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def machine() -> str:
    """Names what numbers processes: one boot of one machine and, in it, one container. Empty where that is unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""

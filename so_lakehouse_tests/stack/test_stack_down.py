"""The last of the tests that share the whole stack: it is stopped."""

from __future__ import annotations

import subprocess

import psutil

from so_lakehouse_tests.stack.whole_stack import Running


def test_down_stops_exactly_what_up_started(whole_stack: Running) -> None:
    numbers = [number for number in whole_stack.process_ids().values() if number]
    processes = [psutil.Process(number) for number in numbers]
    family = processes + [child for process in processes for child in process.children(recursive=True)]
    bystander = subprocess.Popen(["sleep", "600"])
    stopped = whole_stack.command("stack", "down")
    assert stopped.returncode == 0, stopped.stderr
    _, left = psutil.wait_procs(family, timeout=10)
    assert not left
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    assert whole_stack.command("stack", "down").stdout == "Nothing of the stack runs.\n"
    assert set(whole_stack.process_ids().values()) == {None}

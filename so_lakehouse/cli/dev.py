"""`so-lakehouse dev`: Dagster's web page and daemon on this lakehouse, after a demo on its simulation."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from so_lakehouse.instance import open_instance
from so_lakehouse.settings import PROJECT_ROOT, Settings

# Whoever sets any of these says where data comes from, and the demo's simulation is left alone.
SOURCES = ("LAKEHOUSE_MIRROR", "LAKEHOUSE_API", "LAKEHOUSE_API_KEY", "LAKEHOUSE_NOW")


def main(arguments: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    open_instance(settings)
    os.environ["LAKEHOUSE_HOME"] = str(settings.home)
    dagster = Path(sys.executable).with_name("dagster")
    command = [str(dagster), "dev", "--workspace", "workspace.yaml", "--port", str(arguments.port)]
    os.chdir(PROJECT_ROOT)
    if any(os.environ.get(name) for name in SOURCES) or not (now := demo_clock(settings.home)):
        os.execv(dagster, command)
    return on_the_simulation(settings, now, command)


def demo_clock(home: Path) -> str:
    """The clock of the demo that was shown in this home, as LAKEHOUSE_NOW; empty where none was."""
    from so_lakehouse.simulate import demonstration  # only here: the simulator takes a moment

    story = demonstration.load(home)
    return story.now if story else ""


def on_the_simulation(settings: Settings, now: str, command: Sequence[str]) -> int:
    """Runs the command while this process serves the demo's communities, whose clock has run on since the demo."""
    from so_lakehouse.cli.simulate import exports
    from so_lakehouse.simulate import demonstration
    from so_lakehouse.simulate.api_server import running
    from so_lakehouse.simulate.served import SimulationServer
    from so_lakehouse.simulate.simulation import Simulation

    mirror = demonstration.mirror_of(settings.home)
    with running(SimulationServer(Simulation.load(mirror), now)) as server:
        source = {"LAKEHOUSE_MIRROR": str(mirror)} | server.settings
        print("Dumps and days come from the demo's simulation, whose clock runs on; to use it elsewhere meanwhile:\n")
        print("\n".join(exports(source)))
        print(f"\nFor real ones set any of {', '.join(SOURCES)}.", flush=True)
        # Of its own session, so that Ctrl-C reaches it once: from here.
        started = subprocess.Popen(command, env=os.environ | source, start_new_session=True)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, frame: started.send_signal(number))
        return started.wait()

"""`so-lakehouse dev`: Dagster's web page and daemon on this lakehouse."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from so_lakehouse.instance import open_instance
from so_lakehouse.settings import PROJECT_ROOT, Settings


def main(arguments: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    open_instance(settings)
    os.environ["LAKEHOUSE_HOME"] = str(settings.home)
    demo_mirror = settings.home / "demo_mirror"
    if not settings.mirror and demo_mirror.is_dir():
        print(f"Dumps come from {demo_mirror}; set LAKEHOUSE_MIRROR to take real ones.")
        os.environ["LAKEHOUSE_MIRROR"] = str(demo_mirror)
    dagster = Path(sys.executable).with_name("dagster")
    os.chdir(PROJECT_ROOT)
    os.execv(dagster, [str(dagster), "dev", "--workspace", "workspace.yaml", "--port", str(arguments.port)])

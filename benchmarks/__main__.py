"""Runs benchmarks by name and prints their tables; with `--write` the tables also go into docs/benchmarks.md.

A benchmark is a module of this package with a function `run(options)` that yields lines of Markdown; its docstring's
first line is the title of its section.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import platform
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import benchmarks
from benchmarks.options import Options

FIGURES = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


def names() -> list[str]:
    """Modules of this package that can be run."""
    found = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
    return [
        name for name in found if name != "__main__" and hasattr(importlib.import_module(f"benchmarks.{name}"), "run")
    ]


def machine() -> str:
    """One line on what the figures were taken on."""
    model = (
        re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else None
    )
    name = model[1] if model else platform.machine()
    return f"{datetime.now(UTC).date()}, {name}, {Options.cores()} cores, Python {platform.python_version()}"


def write_section(name: str, text: str) -> None:
    """Replaces one benchmark's section between its marks in docs/benchmarks.md, or appends it."""
    page = FIGURES.read_text() if FIGURES.exists() else "# Benchmarks\n"
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    section = f"{begin}\n{text}{end}"
    old = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    page = old.sub(lambda _: section, page) if old.search(page) else f"{page.rstrip()}\n\n{section}\n"
    FIGURES.write_text(page)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which to run: {', '.join(names())}; default all")
    parser.add_argument("--megabytes", type=int, default=2_000, help="XML of the largest input (default 2,000)")
    parser.add_argument("--posts", type=int, default=4_000_000, help="rows of the largest simulated site (4,000,000)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the median counts (default 5)")
    parser.add_argument("--without-spark", action="store_true", help="leave out what starts a JVM")
    parser.add_argument("--folder", type=Path, help="where inputs are made and kept; default a temporary folder")
    parser.add_argument("--write", action="store_true", help="also write the tables into docs/benchmarks.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        options = Options(folder, given.megabytes, given.repeats, not given.without_spark, given.posts)
        for name in given.names or names():
            module = importlib.import_module(f"benchmarks.{name}")
            lines = [f"## {(module.__doc__ or name).splitlines()[0].rstrip('.')}", "", f"Measured {machine()}.", ""]
            print("\n".join(lines))
            for line in module.run(options):
                print(line, flush=True)
                lines.append(line)
            if given.write:
                write_section(name, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

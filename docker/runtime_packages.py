"""The part of requirements.lock that the package itself needs, without what development adds (tests, style, types):

    python docker/runtime_packages.py < requirements.lock > runtime.lock

The lock says of each package for whose sake it is there (`# via`); pyproject.toml says which the project itself names.
Versions and hashes stay as they are, so that pip refuses the result where a package were missing.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
NAME = re.compile(r"[A-Za-z0-9._-]+")


def runtime(lock: str, dependencies: list[str]) -> str:
    """The entries of the lock file that these dependencies need, in its order."""
    entries = [(name_of(entry), entry) for entry in re.split(r"^(?=\w)", lock, flags=re.MULTILINE)[1:]]
    needed: set[str] = set()
    more = {name_of(dependency) for dependency in dependencies}
    while more:
        needed |= more
        more = {name for name, entry in entries if needed & reasons(entry)} - needed
    return "".join(entry for name, entry in entries if name in needed)


def wanted() -> list[str]:
    """What the project names itself: to run, and to be installed in its place."""
    told = tomllib.loads(PYPROJECT.read_text())
    return [*told["project"]["dependencies"], *told["build-system"]["requires"]]


def reasons(entry: str) -> set[str]:
    """The packages that want this one: one on the line of `via`, or several on a line each."""
    return {name_of(words) for words in re.findall(r"^    #  ?(?:via| ) *(\S.*)", entry, re.MULTILINE)}


def name_of(words: str) -> str:
    """The package's name as packages are compared by it."""
    found = NAME.match(words)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


if __name__ == "__main__":
    sys.stdout.write(runtime(sys.stdin.read(), wanted()))

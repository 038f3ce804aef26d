"""The stack's passwords and keys: made once, kept in one file that only its owner reads, never in the repository.

Belongs here: which secrets there are, and where they come from: this process's environment (containers) or the file
(native processes). Both use the same names. Does not belong here: who may do what with them (`roles.py`, `keys.py`).
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from so_lakehouse.errors import BadInput

# Every secret by its name, with what it opens.
SECRETS = {
    "postgres_admin": "Postgres' superuser, for set-up alone",
    "postgres_loader": "loads the warehouse",
    "postgres_dbt": "builds and publishes the marts",
    "postgres_reader": "people's own queries",
    "postgres_dashboard": "dashboards: the marts alone",
    "postgres_dagster": "Dagster's own database",
    "postgres_metastore": "the Hive Metastore's own database",
    "s3_root": "the object store's administrator, for set-up alone",
    "s3_lake": "the whole lake: what goes across its layers",
    "s3_raw": "writes raw",
    "s3_bronze": "reads raw, writes bronze",
    "s3_silver": "reads bronze, writes silver and its books",
    "s3_warehouse": "reads silver",
    "s3_metastore": "looks for tables in silver",
    "s3_dagster": "Dagster's logs of runs",
    "spark": "Spark's processes, which talk to nobody without it",
}

SHORTEST = 20  # characters; what people think of is shorter
PLAIN = re.compile(r"[A-Za-z0-9_-]+")  # needs no quoting in an address, a shell, a properties file


def variable(name: str) -> str:
    """The environment variable of a secret; also its name in the file."""
    return f"LAKEHOUSE_STACK_SECRET_{name.upper()}"


class Secrets(Mapping[str, str]):
    """Secrets by name. Asking for one that is missing or could be guessed raises `BadInput`."""

    def __init__(self, values: Mapping[str, str], origin: str) -> None:
        self._values, self._origin = dict(values), origin

    def __getitem__(self, name: str) -> str:
        value = self._values.get(variable(name), "")
        if len(value) < SHORTEST or len(set(value)) < 8 or not PLAIN.fullmatch(value):
            said = "is not set" if not value else "could be guessed, or needs quoting"
            raise BadInput(
                f"{variable(name)} ({SECRETS[name]}) {said}; looked for it in {self._origin}. Write {SHORTEST} or more "
                "letters and digits, or have all of them made: so-lakehouse stack secrets."
            )
        return value

    def require_all(self) -> None:
        """Raises `BadInput` for the first that is missing or could be guessed."""
        for name in self:
            self[name]

    def __iter__(self):
        return iter(SECRETS)

    def __len__(self) -> int:
        return len(SECRETS)


def from_environment(environment: Mapping[str, str] | None = None) -> Secrets:
    """The secrets of this process's environment, as a container has them."""
    environment = os.environ if environment is None else environment
    return Secrets(environment, "the environment")


def kept(folder: Path) -> Secrets:
    """The secrets of the stack in `folder`; those that are missing are made and kept in its file (mode 600)."""
    file = folder / "secrets"
    found = read_variables(file)
    missing = [name for name in SECRETS if not found.get(variable(name))]
    if missing:
        found |= {variable(name): made() for name in missing}
        write_private(file, in_lines(found))
    return Secrets(found, str(file))


def made() -> str:
    """A new secret: 32 letters and digits, of 190 bits."""
    return "".join(secrets.choice("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") for _ in range(32))


def in_lines(values: Mapping[str, str]) -> str:
    """The secrets as `NAME=value` lines: the native file, and the `.env` of compose."""
    lines = []
    for name, meaning in SECRETS.items():
        lines += [f"# {meaning}", f"{variable(name)}={values.get(variable(name), '')}"]
    return "\n".join(lines) + "\n"


def read_variables(file: Path) -> dict[str, str]:
    """What a file of `NAME=value` lines says; nothing where there is none."""
    lines = file.read_text().splitlines() if file.exists() else []
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.removeprefix("export ").strip(): value.strip() for name, value in pairs}


def write_private(file: Path, text: str) -> None:
    """Replaces a file that nobody but its owner can read, at no moment of its life."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as sink:
        sink.write(text)
    part.replace(file)

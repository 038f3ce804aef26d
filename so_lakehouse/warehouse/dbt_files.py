"""What files say of the dbt project and of a build: a fingerprint, which models are marts, and what failed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

MADE_BY_DBT = {"target", "logs"}


def fingerprint(project: Path) -> str:
    """Names what dbt builds with: another text of a model, macro, test or setting is another one, as is another dbt.

    The files, not the manifest: dbt reads them anew, and a manifest may be older than they are.
    """
    digest = hashlib.sha256(f"{version('dbt-core')} {version('dbt-postgres')}".encode())
    for path in _written(project):
        digest.update(f"\0{path.relative_to(project).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def is_current(manifest: Path, project: Path) -> bool:
    """Whether the manifest is there and was made after the last change of a file, as after a pull it was not."""
    if not manifest.exists():
        return False
    made = manifest.stat().st_mtime
    return all(path.stat().st_mtime <= made for path in _written(project))


def _written(project: Path) -> list[Path]:
    """The files that people write, in a fixed order."""
    return [
        path
        for path in sorted(project.rglob("*"))
        if path.suffix in {".sql", ".yml", ".csv"} and path.relative_to(project).parts[0] not in MADE_BY_DBT
    ]


def marts(manifest: Mapping[str, Any]) -> list[str]:
    """The names of the models below models/marts."""
    nodes = manifest["nodes"].values()
    return sorted(node["name"] for node in nodes if node["resource_type"] == "model" and node["fqn"][1] == "marts")


def failed_nodes(target: Path) -> list[str]:
    """The models and tests that failed, by the record that dbt left of a build in this folder; empty where it left none
    (it was killed, or worked on another machine)."""
    try:
        results = json.loads((target / "run_results.json").read_text("utf-8"))["results"]
    except (FileNotFoundError, json.JSONDecodeError):  # killed before or while it was written
        return []
    return sorted(result["unique_id"].split(".")[2] for result in results if result["status"] in ("fail", "error"))

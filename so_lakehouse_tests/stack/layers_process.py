"""A process that makes layers one after the other, as Dagster's runs do; a JSON line says what came of each.

Started by tests with settings from its environment: `python -m so_lakehouse_tests.stack.layers_process SITE` and, for
each layer, its name and its partition.
"""

from __future__ import annotations

import json
import sys

import dagster as dg

from so_lakehouse.definitions import defs
from so_lakehouse.runner import Runner


def main() -> None:
    site, *words = sys.argv[1:]
    with dg.DagsterInstance.ephemeral() as instance:
        runner = Runner(defs, instance, sys.stderr)
        runner.add_site(site)
        for layer, partition in zip(words[::2], words[1::2], strict=True):
            done = runner.run(layer, runner.keys_of(layer), partition)
            told = {"layer": layer, "error": done.error, "refused": done.failed_checks, "made": [*done.materialised]}
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()

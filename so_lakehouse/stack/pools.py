"""How many steps of a kind may run at once on the stack: the limits of Dagster's pools, which live in its database."""

from __future__ import annotations

import dagster as dg

POOLS = {
    "download": 2,  # archive.org serves two at full speed, and asks for no more
    "read_dump": 1,  # one reader keeps every core busy
    "spark": 1,  # one writer per table of the lake, one application per cluster
    "warehouse": 2,  # sites load side by side
    "dbt": 1,  # one build of the marts at a time
}


def main() -> None:
    """Sets the limits in the instance that DAGSTER_HOME names; limits that somebody set by hand are set back."""
    with dg.DagsterInstance.get() as instance:
        for name, limit in POOLS.items():
            instance.event_log_storage.set_concurrency_slots(name, limit)


if __name__ == "__main__":
    main()

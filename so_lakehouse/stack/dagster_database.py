"""What set-up does in Dagster's database: tables take the form of this release's Dagster, and pools get their limits.

Belongs here: what must be so before the page and the daemon start. Their processes are in `dagster_services.py`, the
database itself in `postgres.py`.
"""

from __future__ import annotations

import dagster as dg

POOLS = {
    "download": 2,  # archive.org serves two at full speed, and asks for no more
    "read_dump": 1,  # one reader keeps every core busy
    "spark": 1,  # one writer per table of the lake, one application per cluster
    "warehouse": 2,  # sites load side by side
    "dbt": 1,  # one build of the marts at a time
}


def set_up(instance: dg.DagsterInstance) -> None:
    """Runs and ticks of an earlier Dagster stay; where the form is right already nothing is changed. Limits that
    somebody set by hand are set back."""
    instance.upgrade()  # as `dagster instance migrate`
    for name, limit in POOLS.items():
        instance.event_log_storage.set_concurrency_slots(name, limit)


def main() -> None:
    """Sets up the database of the instance that DAGSTER_HOME names."""
    with dg.DagsterInstance.get() as instance:
        set_up(instance)


if __name__ == "__main__":
    main()

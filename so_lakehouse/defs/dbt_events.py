"""What dbt tells Dagster while it builds, with row counts and columns.

dagster-dbt asks for those in threads that spin until the next event comes: two cores' worth while dbt itself waits for
one. Here they are asked for in between, one after the other; dbt goes on meanwhile.
"""

from collections.abc import Callable, Iterator
from typing import Any

from so_lakehouse.defs.dbt_library import DbtCliInvocation, DbtDagsterEventType, DbtEventIterator

Fetch = Callable[[DbtCliInvocation, DbtDagsterEventType], dict[str, Any] | None]


class DbtEvents(DbtEventIterator):
    """The events of one call of dbt, in its order; its failure comes after them, as from `stream`."""

    def _attach_metadata(self, fn: Fetch) -> "DbtEvents":
        def attached() -> Iterator[DbtDagsterEventType]:
            for event in self:
                found = fn(self._dbt_cli_invocation, event)
                yield event if found is None else event.with_metadata({**event.metadata, **found})

        return DbtEvents(attached(), self._dbt_cli_invocation)


def events_of(dbt_build: DbtCliInvocation) -> Iterator[DbtDagsterEventType]:
    """Outputs and check results of a build as they come."""
    return DbtEvents(dbt_build.stream(), dbt_build).fetch_row_counts().fetch_column_metadata()

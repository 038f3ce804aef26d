"""dagster-dbt, loaded without dbt-core, which only the run that builds the marts needs.

dagster-dbt imports dbt-core where that is installed, 1.6 of the 3.7 s of a process that loads the definitions. It also
works where dbt-core is not (its `compat`): all that it then does otherwise is to take every node of the manifest as it
stands, not through dbt's selection, which is what `dbt_assets` asks for here. Whoever needs something of dagster-dbt
imports it from here, so that nobody loads it first in the other way.
"""

import sys
from importlib.metadata import version

from packaging.version import Version

DBT_CORE = Version(version("dbt-core"))

_already = "dagster_dbt" in sys.modules
if not _already:
    sys.modules["dbt.version"] = None  # type: ignore[assignment]  # Python's mark of what cannot be imported
try:
    from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation, DbtCliResource, DbtProject, dbt_assets
    from dagster_dbt.core import resource
    from dagster_dbt.core.dbt_event_iterator import DbtDagsterEventType, DbtEventIterator
finally:
    if not _already:
        del sys.modules["dbt.version"]

resource.DBT_PYTHON_VERSION = DBT_CORE  # a run does start dbt-core's adapter, which says what columns a relation has

__all__ = [
    "DBT_CORE",
    "DagsterDbtTranslator",
    "DbtCliInvocation",
    "DbtCliResource",
    "DbtDagsterEventType",
    "DbtEventIterator",
    "DbtProject",
    "dbt_assets",
]

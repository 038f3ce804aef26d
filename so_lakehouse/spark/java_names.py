"""What pyspark asks Java for by name, remembered: a plan of a small site asks two thousand times.

For each column pyspark asks py4j what `functions` is, then what `functions.col` is, and then calls it. A name without
its package Java looks for in every package that is imported, each time in all of Spark's 280 jars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from py4j.java_gateway import JavaClass, JavaMember

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# The classes whose static methods pyspark calls while a plan is built, as it names them.
CLASSES = (
    "functions",
    "PythonUtils",
    "PythonSQLUtils",
    "org.apache.spark.sql.functions",
    "org.apache.spark.sql.classic.SparkSession",
)


class RememberedClass(JavaClass):
    """A Java class that is asked once for each of its static methods."""

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        if isinstance(found, JavaMember):  # not the value of a field, which may change
            self.__dict__[name] = found
        return found


def remember(session: SparkSession) -> None:
    """From now on this process asks Java once for each of these names; not for a Spark Connect server's session."""
    jvm = session.sparkContext._jvm
    for name in CLASSES:
        if name not in jvm.__dict__:
            found = getattr(jvm, name)
            setattr(jvm, name, RememberedClass(found._fqn, found._gateway_client))

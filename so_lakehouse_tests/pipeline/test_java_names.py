"""What pyspark asks Java for by name is asked once."""

from __future__ import annotations

from py4j.protocol import REFLECTION_COMMAND_NAME
from pyspark.sql import functions

from so_lakehouse.spark import java_names


def a_plan(spark):
    rows = spark.range(3).select(functions.coalesce(functions.col("id"), functions.lit(1)).alias("n"))
    return rows.where(~rows["n"].isin(1, 2)).drop("m")


def test_a_plan_like_one_before_asks_for_no_name(spark, monkeypatch):
    client = spark.sparkContext._jvm._gateway_client
    send, asked = client.send_command, []

    def record(command, *rest, **options):
        if command.startswith(REFLECTION_COMMAND_NAME):
            asked.append(command)
        return send(command, *rest, **options)

    a_plan(spark)
    monkeypatch.setattr(client, "send_command", record)
    assert [row["n"] for row in a_plan(spark).collect()] == [0]
    jvm = spark.sparkContext._jvm
    names = {name for short in java_names.CLASSES for name in (short, getattr(jvm, short)._fqn)}
    assert [command for command in asked if any(f"\n{name}\n" in command for name in names)] == []
    assert jvm.org  # what is not remembered is still asked, and seen here
    assert asked


def test_each_name_is_still_one_that_pyspark_asks_for(spark):
    """A later pyspark may ask otherwise: then a name here is dead."""
    jvm = spark.sparkContext._jvm
    spark.newSession().createDataFrame([(1, "a")], "n int, a string").select(functions.abs("n"), "a").toArrow()
    functions.transform(functions.col("x"), lambda x: x + 1)
    unused = [
        name for name in java_names.CLASSES if not any(not key.startswith("_") for key in vars(getattr(jvm, name)))
    ]
    assert unused == []

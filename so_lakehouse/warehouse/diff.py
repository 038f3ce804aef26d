"""From evidence to the rows that must go and the rows that must come: the SQL of a load.

Belongs here: statements, one function each, over three kinds of temporary table per warehouse table:
`evidence_<t>` (the change feed as silver spells it), `desired_<t>` (what the rows in question should be),
`gone_<t>` and `fresh_<t>` (old rows to delete, new rows to insert; an update is one of each). Does not belong here:
where the evidence comes from and the order of steps (`load.py`).
"""

from __future__ import annotations

from so_lakehouse.sql import literal, quoted
from so_lakehouse.warehouse.projection import Projection

# What a post's facts are made of: a change in one of these tables touches the post's thread.
THREAD_KEYS = {"posts": "id", "post_tags": "post_id", "votes": "post_id"}


def desired_from_feed(projection: Projection, site: str) -> str:
    """`desired_<t>` out of the change feed: the counts as they now are, or the newest state of each changed row."""
    return _counted(projection, site) if projection.measures else _newest(projection)


def _counted(projection: Projection, site: str) -> str:
    """What is there plus what came less what went; a key that nothing is left of has no row."""
    sign = "CASE WHEN _change_type IN ('insert', 'update_postimage') THEN 1 ELSE -1 END"
    changes, sums, groups = [], [], []
    for field in projection.fields:
        summed = field.name in projection.measures
        changes.append(f"{sign} * {field.expression}" if summed else field.expression)
        sums.append(f"sum({quoted(field.name)})::bigint AS {quoted(field.name)}" if summed else quoted(field.name))
        groups.extend([] if summed else [quoted(field.name)])
    return (
        f"CREATE TEMP TABLE desired_{projection.name} ON COMMIT DROP AS SELECT {', '.join(sums)}"
        f" FROM ({_current(projection, site, scoped=True)}"
        f" UNION ALL SELECT {', '.join(changes)} FROM evidence_{projection.name}) counted"
        f" GROUP BY {', '.join(groups)} HAVING sum({quoted(projection.measures[0])}) > 0"
    )


def _newest(projection: Projection) -> str:
    """Where one commit deletes and inserts a key (a rebuild does), the insert is what is there afterwards."""
    key = projection[projection.key[1]].expression
    made = ", ".join(f"{_expression(projection, field.name)} AS {quoted(field.name)}" for field in projection.fields)
    newest = (
        f"SELECT DISTINCT ON ({key}) * FROM evidence_{projection.name} WHERE _change_type <> 'update_preimage'"
        f" ORDER BY {key}, _commit_version DESC, _change_type = 'delete'"
    )
    return (
        f"CREATE TEMP TABLE desired_{projection.name} ON COMMIT DROP AS"
        f" SELECT DISTINCT {made} FROM ({newest}) newest WHERE _change_type <> 'delete'"
    )


def keys_in_question(projection: Projection) -> str:
    """`scope_<t>`: the first keys (after site) that the feed says anything about."""
    key = projection[projection.key[1]].expression
    return (
        f"CREATE TEMP TABLE scope_{projection.name} ON COMMIT DROP AS"
        f" SELECT DISTINCT {key} AS id FROM evidence_{projection.name}"
    )


def gone(projection: Projection, site: str, scoped: bool) -> str:
    """`gone_<t>`: rows that are there and should not be (not like this). `scoped`: only keys in question."""
    return _difference(projection, "gone", _current(projection, site, scoped), _desired(projection))


def fresh(projection: Projection, site: str, scoped: bool) -> str:
    """`fresh_<t>`: rows that should be there and are not (not like this)."""
    return _difference(projection, "fresh", _desired(projection), _current(projection, site, scoped))


def delete(projection: Projection, site: str) -> str:
    return (
        f"DELETE FROM lake.{projection.name} t USING gone_{projection.name} g"
        f" WHERE t.site = {literal(site)} AND {_same_key(projection, 't', 'g')}"
    )


def insert(projection: Projection) -> str:
    fields = _fields(projection)
    return f"INSERT INTO lake.{projection.name} ({fields}) SELECT {fields} FROM fresh_{projection.name}"


def counts(projection: Projection) -> str:
    """(rows gone, rows fresh, keys in both): an update counts in each."""
    name = projection.name
    return (
        f"SELECT (SELECT count(*) FROM gone_{name}), (SELECT count(*) FROM fresh_{name}),"
        f" (SELECT count(*) FROM gone_{name} g JOIN fresh_{name} f ON {_same_key(projection, 'g', 'f')})"
    )


def own_months(projection: Projection, site: str, everything: bool) -> str:
    """Collects the months of a table's own changed rows (or of all its rows) into `changed_month`."""
    month = _month(projection.month) if projection.month else "NULL::date"
    name = projection.name
    source = (
        f"lake.{name} WHERE site = {literal(site)}"
        if everything
        else f"(SELECT * FROM gone_{name} UNION ALL SELECT * FROM fresh_{name}) changed"
    )
    return _into_months(name, f"SELECT DISTINCT {month} FROM {source}")


def touched_posts(projection: Projection) -> str:
    """Collects the posts whose facts a table's changed rows touch into `touched`."""
    key = quoted(THREAD_KEYS[projection.name])
    name = projection.name
    return f"INSERT INTO touched SELECT {key} FROM gone_{name} UNION SELECT {key} FROM fresh_{name}"


def thread_months(site: str) -> str:
    """Collects the months of creation of all posts in threads of `touched` posts; run before and after applying."""
    here = f"site = {literal(site)}"
    threads = (
        f"SELECT DISTINCT coalesce(p.parent_id, p.id) AS id FROM lake.posts p JOIN touched t ON p.id = t.id"
        f" WHERE p.{here}"
    )
    month = _month("creation_date")
    return _into_months(
        "posts",
        f"WITH thread AS MATERIALIZED ({threads})"
        f" SELECT {month} FROM lake.posts p JOIN thread ON p.id = thread.id WHERE p.{here}"
        f" UNION SELECT {month} FROM lake.posts p JOIN thread ON p.parent_id = thread.id WHERE p.{here}",
    )


def _month(column: str) -> str:
    """First day of the month, in the session's UTC. Arithmetic with a zone is several times slower."""
    return f"date_trunc('month', {quoted(column)}::timestamp)::date"


def _into_months(table: str, months: str) -> str:
    return (
        f"INSERT INTO changed_month SELECT {literal(table)}, month FROM ({months}) found(month) ON CONFLICT DO NOTHING"
    )


def _difference(projection: Projection, kind: str, these: str, those: str) -> str:
    return f"CREATE TEMP TABLE {kind}_{projection.name} ON COMMIT DROP AS ({these}) EXCEPT ({those})"


def _current(projection: Projection, site: str, scoped: bool) -> str:
    fields = ", ".join(f"t.{quoted(name)}" for name in projection.field_names)
    scope = f" JOIN scope_{projection.name} s ON t.{quoted(projection.key[1])} = s.id" if scoped else ""
    return f"SELECT {fields} FROM lake.{projection.name} t{scope} WHERE t.site = {literal(site)}"


def _desired(projection: Projection) -> str:
    return f"SELECT {_fields(projection)} FROM desired_{projection.name}"


def _fields(projection: Projection) -> str:
    return ", ".join(quoted(name) for name in projection.field_names)


def _same_key(projection: Projection, left: str, right: str) -> str:
    """Only a part of the key that may be absent is compared with absence in mind: indexes do not serve that."""
    return " AND ".join(
        f"{left}.{quoted(name)} {'IS NOT DISTINCT FROM' if projection[name].nullable else '='} {right}.{quoted(name)}"
        for name in projection.key
    )


def _expression(projection: Projection, name: str) -> str:
    expression = projection[name].expression
    return f"unnest({expression})" if projection.per_tag and name == projection.key[-1] else expression

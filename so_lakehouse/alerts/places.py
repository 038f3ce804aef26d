"""What a layer's partition is about, and the command that mends it, as data."""

from __future__ import annotations

# {site}: of the partition; {first}: its quarter or day; {page}: of the run.
NEXT_STEPS = {
    "raw/dump": "so-lakehouse run --site {site} --quarter {first}",
    "bronze/dump": "so-lakehouse run --site {site} --quarter {first}",
    "raw/api": "so-lakehouse run --site {site} --day {first}",
    "bronze/api": "so-lakehouse run --site {site} --day {first}",
    "silver": "so-lakehouse run --site {site}",
    "warehouse": "so-lakehouse run --site {site}",
    "maintenance": "so-lakehouse prune --site {site}",
}
OTHERWISE = "Open {page}; when what is said there is mended, re-execute it from there."


def site_of(partition: str) -> str:
    """`2016-10-01|beer` and `beer` are both of beer; empty for what has no partition."""
    return partition.rpartition("|")[2]


def next_step(layer: str, partition: str, page: str) -> str:
    """The command to run once the cause is mended, or where to look."""
    site, first = site_of(partition), partition.partition("|")[0]
    text = NEXT_STEPS.get(layer, OTHERWISE) if site else OTHERWISE
    return text.format(site=site, first=first, page=page)

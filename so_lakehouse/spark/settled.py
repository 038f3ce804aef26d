"""Whether silver already holds all that bronze says of a site: told from manifests and ledger, without Spark.

Silver is a function of the evidence. So a converge notes, beside the site's gates, a name of the evidence that it has
heard and of the books that it left behind. Where both are still the same, and nobody else has touched the tables, one
more converge would do nothing; a run without news then needs no Java.

Belongs here: that decision. Not here: which input says something (`lake/waiting.py`), any row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import pyarrow as pa

from so_lakehouse import schema
from so_lakehouse.lake import gates, ledger, silver_tables, tombstones, waiting
from so_lakehouse.lake.chain import Dump
from so_lakehouse.lake.gates import Evidence, TableGate
from so_lakehouse.lake.ledger import DUMP, Ledger
from so_lakehouse.lake.manifests import BronzeManifest
from so_lakehouse.lake.quarantine import CleaningManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.lake.strangers import strange_commits
from so_lakehouse.settings import Settings
from so_lakehouse.spark import clean, evidence, migrate
from so_lakehouse.spark.converged import Converged, converged
from so_lakehouse.spark.gate import data_version

POSTS = schema.POSTS.name  # comments and history look at what is known of posts too


def heard(lake: Lake, site: str, names: Sequence[str], settings: Settings) -> dict[str, Evidence]:
    """What a converge of these tables may read in bronze, by table."""
    return evidence.offered(lake, site, settings.keep_personal, {*names, POSTS})


def note(lake: Lake, site: str, names: Sequence[str], heard: Mapping[str, Evidence]) -> None:
    """Notes that silver holds what this evidence says, and what its books say then. The caller holds the locks."""
    gates.take_in(lake, site, {name: told for name, told in heard.items() if name in names})
    gates.settle(lake, site, _named(names, heard, _books(lake, site, _ledger(lake, site, names))))


def standing(lake: Lake, site: str, names: Sequence[str], settings: Settings) -> dict[str, Converged] | None:
    """What a converge of these tables would tell where it had nothing to do; None where it may have something.

    May be asked without locks: who writes meanwhile does so for news that he has, and that this does not see yet.
    """
    if settings.metastore:
        return None  # it is Spark that sees whether the metastore knows the tables
    after = _ledger(lake, site, names)
    if gates.settled(lake, site) != _named(names, heard(lake, site, names, settings), _books(lake, site, after)):
        return None
    gated = gates.load(lake, site)
    if after.unrecorded or gates.refusal(lake, site):
        return None
    if not all(_is_untouched(lake, site, name, after, gated.get(name)) for name in names):
        return None
    every = [silver_tables.silver_table(schema.table(name), settings.keep_personal) for name in names]
    if any(migrate.pending(lake, table) for table in (*every, silver_tables.TOMBSTONES, silver_tables.LEDGER)):
        return None
    told = {}
    for name in names:
        ignored = _ignored(lake, site, name, after, settings)
        if ignored is None:
            return None
        checks = gated[name].checks if name in gated else ()
        told[name] = converged(lake, name, after, after, ignored, checks)
    return told


def _ignored(lake: Lake, site: str, name: str, after: Ledger, settings: Settings) -> tuple[waiting.Ignored, ...] | None:
    """Why each input says nothing; None where one says something after all, or was not examined."""
    rules = clean.rule_version(schema.table(name), settings.keep_personal)

    def examined(manifest: BronzeManifest) -> Dump:
        found = CleaningManifest.load(lake, name, site, DUMP, manifest.input)
        if found is None or (found.data_version, found.rule_version) != (manifest.data_version, rules):
            raise LookupError(manifest.quarter)
        return Dump(manifest, found)

    try:
        found = waiting.heard(lake, name, site, after.of(name), after.newest_dump(name), rules, examined)
    except LookupError:
        return None
    return None if found.dump or found.pages.new else found.ignored


def _is_untouched(lake: Lake, site: str, name: str, after: Ledger, gate: TableGate | None) -> bool:
    """Whether the site's rows of a table are those that its gate speaks of."""
    delta = ledger.open_delta(lake, name)
    if delta is None or gate is None:
        return gate is None and (delta is None or not after.of(name))  # there are no rows of it to speak of
    return gate.data_version == data_version(after, name) and not strange_commits(lake, name, delta, site, gate.version)


def _books(lake: Lake, site: str, after: Ledger) -> str:
    """Names what ledger and tombstones say of the site."""
    rows = sorted(repr(row.to_json() | {"delta_version": row.delta_version}) for row in after.recorded)
    gone = [(name, _hash_of(held)) for name, held in sorted(tombstones.load(lake, site).items())]
    return repr((rows, gone))


def _hash_of(held: pa.Table) -> str:
    """Of a table's tombstones, which can be millions, in whatever order they lie."""
    with pa.BufferOutputStream() as sink:
        ordered = held.sort_by("id").combine_chunks()
        with pa.ipc.new_stream(sink, ordered.schema) as stream:
            stream.write_table(ordered)
        return hashlib.sha256(sink.getvalue()).hexdigest()


def _ledger(lake: Lake, site: str, names: Sequence[str]) -> Ledger:
    return ledger.load(lake, site, {*names, POSTS})


def _named(names: Sequence[str], heard: Mapping[str, Evidence], books: str) -> str:
    content = (sorted(names), sorted((name, told.rules, told.inputs) for name, told in heard.items()), books)
    return hashlib.sha256(repr(content).encode()).hexdigest()[:32]

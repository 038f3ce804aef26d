"""The simulated sites: their names, tags and words. Data only; sentences are made in `text.py`.

Every site key begins with `simulated-`, so that no table, page or export built on it can be taken for the real network.
"""

from __future__ import annotations

from dataclasses import dataclass

from so_lakehouse.errors import BadInput


@dataclass(frozen=True)
class Topic:
    """What one community talks about. `tags` stand in order of popularity; the last one is for moderators only."""

    site: str
    name: str
    tags: tuple[str, ...]
    things: tuple[str, ...]
    actions: tuple[str, ...]
    troubles: tuple[str, ...]
    snippets: tuple[str, ...]  # with the characters that markup must escape

    @property
    def moderator_tag(self) -> str:
        return self.tags[-1]


def _list(text: str) -> tuple[str, ...]:
    return tuple(entry.strip() for entry in text.split(";"))


_TOPICS = (
    Topic(
        site="simulated-brewing",
        name="Brewing (SIMULATED)",
        tags=_list(
            "fermentation; hops; yeast; mash; recipe; bottling; carbonation; stout; ipa; sanitation; "
            "temperature-control; water-chemistry; kegging; lager; off-flavor; extract; dry-hopping; sour; "
            "wort-chilling; cider; specific-gravity; barrel-aging; mead; kveik; oxidation; gluten-free; "
            "featured"
        ),
        things=_list(
            "a starter of wild yeast; the boil kettle; my Kölsch; a jalapeño stout; the mash tun; "
            "priming sugar; a 20-litre batch; the airlock; old hops; a counter-pressure filler; "
            "crème de cassis; the sour mash"
        ),
        actions=_list("ferment; chill; bottle; dry-hop; carbonate; rack; sanitise; decoct; age; filter"),
        troubles=_list(
            "it stalls at 1.020; it tastes of butter; the foam collapses; the bottles gush; a pellicle forms; "
            'it smells of sulphur; the gravity stays > 1.030; it comes out "thin & watery"; '
            "it drops below 12 °C"
        ),
        snippets=(
            "if gravity < 1.012 && days >= 14:\n    bottle(sugar='6 g/l')",
            'hops:\n  - {name: "Saaz", grams: 25, minutes: 60}\n  - {name: "Saaz", grams: 40, minutes: 5}',
            "ABV = (OG - FG) * 131.25\t# OG > FG",
        ),
    ),
    Topic(
        site="simulated-databases",
        name="Databases (SIMULATED)",
        tags=_list(
            "sql; index; query-performance; join; replication; transactions; backup; partitioning; json; "
            "window-functions; locking; migration; etl; c++; c#; vacuum; execution-plan; isolation-level; "
            "full-text-search; time-series; parquet; change-data-capture; sharding; null; collation; .net; "
            "announcement"
        ),
        things=_list(
            "a table of 40 million rows; the covering index; a nightly load; our read replica; the naïve plan; "
            "a recursive query; the write-ahead log; a materialised view; the Zürich data centre; a bitmap scan"
        ),
        actions=_list("partition; index; join; back up; replicate; compact; deduplicate; lock; migrate; cache"),
        troubles=_list(
            "it scans every row; two sessions deadlock; the plan changes at night; the replica lags > 5 min; "
            'NULL <> NULL surprises me; it fails with "out of memory"; the log fills up; '
            "the sort spills to disk"
        ),
        snippets=(
            "SELECT id FROM orders WHERE total > 100 AND note <> 'void' AND tag && ARRAY['a'];",
            'CREATE INDEX ON "orders" (customer_id) WHERE shipped_at IS NULL;',
            "std::map<int, std::vector<row>> groups;\nif (a < b && b > c) { merge(groups[a], groups[b]); }",
        ),
    ),
    Topic(
        site="simulated-engineering",
        name="Data and Software Engineering (SIMULATED)",
        tags=_list(
            "javascript; python; java; sql; c#; reactjs; machine-learning; apache-spark; node.js; pandas; html; "
            "pyspark; scikit-learn; airflow; css; docker; r; apache-kafka; git; etl; typescript; tensorflow; pytorch; "
            "angular; hadoop; dbt; spring-boot; google-bigquery; unit-testing; ggplot2; deep-learning; data-warehouse; "
            "matplotlib; statistics; parquet; keras; postgresql; rust; duckdb; query-performance; replication; "
            "window-functions; backup; pgvector; regex; bash; excel; linux; arrays; string; raspberry-pi; "
            "status-completed"
        ),
        things=_list(
            "a job of 3,000 tasks; the nightly build; our event stream; a skewed key; the façade class; the notebook; "
            "a container without a shell; the late partition; the São Paulo cluster; a model of 7 layers; the cache"
        ),
        actions=_list("deploy; backfill; refactor; train; serialise; shard; profile; mock; orchestrate; broadcast"),
        troubles=_list(
            "one task never ends; the memory grows > 8 GB; it works on my machine only; the schema drifts; "
            'the log says "null & void"; two runs overlap; the loss stays < 0.01 & nothing is learnt; '
            "the callback fires twice; the shuffle spills"
        ),
        snippets=(
            'df.filter((df.a < 3) & (df.b > 1)).groupBy("key").count()',
            "const seen = xs.filter((x) => x > 0 && x < 10);\nexport default seen;",
            'for i, row in enumerate(rows):\n    assert row["n"] <= 7, f"row {i} & after"',
        ),
    ),
    Topic(
        site="simulated-gardening",
        name="Gardening (SIMULATED)",
        tags=_list(
            "soil; tomatoes; pruning; compost; seeds; watering; lawn; pests; fruit-trees; houseplants; "
            "fertiliser; roses; raised-beds; transplanting; mulch; weeds; herbs; frost; germination; grafting; "
            "greenhouse; fungus; drainage; bulbs; hedges; ph; notice"
        ),
        things=_list(
            "a row of tomatoes; the old apple tree; my jardinière; a raised bed; the compost heap; a fern; "
            "a pot of basil; the south-facing wall; a tray of seedlings; the Gewürztraminer vine; the hedge"
        ),
        actions=_list("prune; water; repot; graft; mulch; sow; transplant; feed; harvest; overwinter"),
        troubles=_list(
            "the leaves curl; nothing germinates; slugs eat it overnight; the soil stays < 8 °C; it bolts; "
            'the roots rot; the label says "full sun & moist"; white spots appear; the pH is > 7.5'
        ),
        snippets=(
            "if soil_moisture < 0.25 && !raining:\n    water(minutes=12)",
            'plan = {"bed": 3, "rows": ["beans", "peas & leeks"]}',
            "N-P-K\t5-3-8\t# <= 40 g/m²",
        ),
    ),
)

TOPICS: dict[str, Topic] = {topic.site: topic for topic in _TOPICS}


def topic_of(site: str) -> Topic:
    """The topic of a simulated site; an unknown key raises `BadInput` naming those there are."""
    if site not in TOPICS:
        raise BadInput(f"There is no simulated site {site!r}. Choose from: {', '.join(TOPICS)}.")
    return TOPICS[site]

"""A lakehouse whose runs are played by hand, for tests of the sensors: a mirror, a lake, a warehouse, an instance.

Dumps land and pages arrive in their real form; what a read, a converge, a load and a build leave behind is written as
they would. What a run does is tested elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
from dagster._core.test_utils import create_run_for_test

from so_lakehouse.api.bronze import version_read
from so_lakehouse.api.days import bounds
from so_lakehouse.api.methods import METHODS
from so_lakehouse.automation.answer import version_of
from so_lakehouse.definitions import defs
from so_lakehouse.defs import automation
from so_lakehouse.defs.dbt_project import DBT_PROJECT
from so_lakehouse.dumps.bronze import reader_version
from so_lakehouse.dumps.land import land_dump, resolve
from so_lakehouse.dumps.mirrors import open_mirror
from so_lakehouse.lake import gates
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.api_raw import WINDOW, Covered, PageFile, fetches_of
from so_lakehouse.lake.gates import TableGate
from so_lakehouse.lake.manifests import BronzeManifest, CheckOutcome, RawManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.run_view import layer_of
from so_lakehouse.schema import TABLES
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.settings import Settings
from so_lakehouse.spark import evidence
from so_lakehouse.warehouse.builds import building
from so_lakehouse.warehouse.dbt_files import fingerprint
from so_lakehouse.warehouse.projection import PROJECTIONS
from so_lakehouse.warehouse.publish import publish
from so_lakehouse.warehouse.standing import expected
from so_lakehouse_tests.pipeline.warehouse_catalogue import prepare, run
from so_lakehouse_tests.small_archives import small_7z

Q3, Q4 = "2025-07-01", "2025-10-01"
FOLLOWS = "reconciliation+silver+warehouse"

Asked = tuple[str, ...]  # layers and partition, as "reconciliation+silver+warehouse", "beer"


class World:
    """`failing`: sites of which the next reads leave a failed blocking check behind."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.settings, self.instance = settings, instance
        self.lake = Lake(settings.lake_uri)
        self.failing: set[str] = set()
        self.silver_refuses: set[str] = set()
        self.cursors: dict[str, str | None] = {}
        self.told: dict[str, str] = {}
        self.releases: list[str] = []

    def publish_release(self, name: str, cut: str, *sites: str, revision: int = 1, size: int = 400) -> None:
        """A release in the mirror that has these sites; published once more, it has other bytes."""
        folder = self.settings.home / "mirror"
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, site in enumerate(sites):
            archive = small_7z(size, seed=len(self.releases) * 100 + number)
            (folder / name / f"{site}.stackexchange.com.7z").write_bytes(archive)
        self.releases.append(f"{name},{cut},,{revision},")
        lines = ["release,cut_date,quarter,revision,note", *dict.fromkeys(self.releases)]
        (folder / "releases.csv").write_text("\n".join(lines) + "\n")

    def look(self, *names: str) -> list[Asked]:
        """What the sensors of these names ask for now, all of them without a name; nothing is run."""
        return [asked for asked, _ in self._requests(names)]

    def wave(self) -> list[Asked]:
        """Looks and plays what is asked for, until nothing is; what was asked for, in order."""
        asked: list[Asked] = []
        while requests := self._requests(()):
            for one, request in requests:
                asked.append(one)
                self.record(request)
                self._play(one)
            assert len(asked) < 100, asked
        return asked

    def record(
        self, request: dg.RunRequest, status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS
    ) -> dg.DagsterRun:
        """The run of a request, as the daemon would leave it."""
        tags = dict(request.tags) | {"dagster/run_key": request.run_key or ""}
        keys = frozenset(request.asset_selection or ())
        return create_run_for_test(self.instance, tags=tags, status=status, asset_selection=keys)

    def request(self, name: str) -> dg.RunRequest:
        """The only request of a sensor."""
        ((_, request),) = self._requests((name,))
        return request

    def _requests(self, names: Sequence[str]) -> list[tuple[Asked, dg.RunRequest]]:
        found = []
        for sensor in automation.SENSORS:
            if names and sensor.name not in names:
                continue
            context = dg.build_sensor_context(
                instance=self.instance, cursor=self.cursors.get(sensor.name), definitions=defs
            )
            with dg.partition_loading_context(dynamic_partitions_store=self.instance):
                tick = sensor.evaluate_tick(context)
            self.cursors[sensor.name] = tick.cursor
            self.told[sensor.name] = tick.skip_message or ""
            found += [(_asked(request), request) for request in tick.run_requests or ()]
        return found

    def ask_mirror_again(self) -> None:
        """As if the hour after the last question were over."""
        self.cursors.pop("land_dumps", None)

    def land(self, site: str, quarter: str) -> RawManifest:
        mirror = open_mirror(str(self.settings.home / "mirror"), self.settings)
        return land_dump(self.lake, mirror, resolve(mirror, site, quarter), self.settings)

    def read(self, site: str, quarter: str) -> None:
        raw = RawManifest.load(self.lake, quarter, site)
        assert raw is not None
        check = CheckOutcome("rows_conserved", site not in self.failing, True, "by hand")
        for table in TABLES:
            known = (
                site,
                quarter,
                table,
                raw.release,
                raw.revision,
                raw.cut_date,
                raw.data_version,
                reader_version(table),
            )
            BronzeManifest(*known, present=True, rows=1, checks=(check,)).save(self.lake)

    def fetch(self, site: str, day: str, whole: bool = True) -> None:
        """Pages of every entity of a day; not `whole`: until noon."""
        begin, end = bounds(day)
        for entity in ENTITIES:
            pages = PageFile()
            pages.add({"path": entity, "parameters": {}}, datetime.now(UTC), 200, {}, '{"items": []}')
            until = end if whole else begin + 43_200
            covered = tuple(Covered(walk.sort, begin, until) for walk in METHODS[entity].walks)
            pages.save(self.lake, self.settings.api, site, day, entity, WINDOW, covered=covered)

    def read_pages(self, site: str, day: str) -> None:
        check = CheckOutcome("items_conserved", site not in self.failing, True, "by hand")
        for entity in ENTITIES:
            fetches = fetches_of(self.lake, entity, day, site)
            newest = max(fetch.newest_as_of for fetch in fetches)
            known = (site, day, entity, version_read(fetches), 1, 0, newest)
            PagesManifest(*known, checks=(check,)).save(self.lake)

    def converge(self, site: str) -> None:
        """Every table is at a version that its evidence names."""
        offered = evidence.offered(self.lake, site, self.settings.keep_personal)
        check = CheckOutcome("keys_unique", site not in self.silver_refuses, True, "by hand")
        named = {table: version_of(entry.inputs) for table, entry in offered.items()}
        gates.save(self.lake, site, {table: TableGate(1, version, (check,)) for table, version in named.items()})
        gates.take_in(self.lake, site, offered)

    def load(self, site: str) -> None:
        held = gates.load(self.lake, site)
        for name, projection in PROJECTIONS.items():
            if projection.source in held:
                version, made_by = expected(projection, held[projection.source].data_version)
                run(
                    self.settings,
                    "INSERT INTO lake.load_status (site, table_name, lake_table_id, lake_version, data_version,"
                    f" projection, rows, load_id) SELECT '{site}', '{name}', 'id', 1, '{version}', '{made_by}', 1,"
                    " 1 + coalesce(max(load_id), 0) FROM lake.load_status"
                    " ON CONFLICT (site, table_name) DO UPDATE SET data_version = excluded.data_version,"
                    " projection = excluded.projection, load_id = excluded.load_id, loaded_at = now()",
                )

    def build(self) -> None:
        build_id = f"build-{len(self.instance.get_runs())}"
        with building(self.settings, build_id, fingerprint(DBT_PROJECT.project_dir)) as begun:
            begun.begin()
            begun.finish([])
        publish(self.settings)

    def _play(self, asked: Asked) -> None:
        layers, *partition = asked
        for layer in layers.split("+"):
            if layer == "warehouse" and partition[0] in self.silver_refuses:
                continue
            {
                "raw": self.land,
                "bronze": self.read,
                "raw api": self.fetch,
                "bronze api": self.read_pages,
                "reconciliation": lambda site: None,  # of dumps without pages between them there is nothing to compare
                "silver": self.converge,
                "warehouse": self.load,
                "marts": self.build,
            }[layer](*partition)


def at_rest(lakehouse: World) -> World:
    """Everything that starts by itself has come to rest."""
    lakehouse.wave()
    lakehouse.ask_mirror_again()
    return lakehouse


def _asked(request: dg.RunRequest) -> Asked:
    layers = dict.fromkeys(layer_of(key) for key in request.asset_selection or ())
    order = sorted(layers, key=list(automation.LAYERS).index)
    return "+".join(order), *reversed((request.partition_key or "").split("|") if request.partition_key else ())


@contextmanager
def world(settings: Settings, patch, **variables: str) -> Iterator[World]:
    """An empty lakehouse that knows the sites ai and beer, whose API may be asked, in which nobody waits."""
    named = {
        "HOME": str(settings.home),
        "POSTGRES": settings.postgres,
        "MIRROR": str(settings.home / "mirror"),
        "SITES": "ai beer",
        "API": "http://127.0.0.1:9/2.3",
        "QUIET_SECONDS": "0",
        "NOW": "2026-01-01T06:00:00",
        **variables,
    }
    for name, value in named.items():
        patch.setenv(f"LAKEHOUSE_{name}", value)
    prepare(settings)
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(replace(Settings.from_environment(), home=settings.home), instance)

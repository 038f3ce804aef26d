"""Every setting: its default, its environment variable and its meaning.

Whatever is ours to set is here; others' variables (JAVA_HOME, DAGSTER_HOME, dbt's) are read where their programs are
started. A setting is one field of `Settings`; `docs/settings.md` is generated from the same list.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, fields, replace
from datetime import date
from pathlib import Path

from so_lakehouse.errors import BadInput

PROJECT_ROOT = Path(__file__).resolve().parent.parent


def _setting(variable: str, default: object, meaning: str, secret: bool = False):
    return field(default=default, repr=not secret, metadata={"variable": variable, "meaning": meaning})


@dataclass(frozen=True)
class Settings:
    """All settings of one process. Empty strings mean "derive from `home`"; see the properties."""

    home: Path = _setting("LAKEHOUSE_HOME", PROJECT_ROOT / ".lakehouse", "Folder of everything the lakehouse keeps.")
    lake: str = _setting(
        "LAKEHOUSE_LAKE",
        "",
        "Where lake files lie: a folder, file:///folder or s3://bucket/prefix; default <home>/lake.",
    )
    s3_endpoint: str = _setting(
        "LAKEHOUSE_S3_ENDPOINT",
        "",
        "Address of the object store that a lake in s3:// lies in, such as http://host:9000; default AWS.",
    )
    s3_access_key: str = _setting(
        "LAKEHOUSE_S3_ACCESS_KEY", "", "Access key of the object store; default what AWS' own chain finds."
    )
    s3_secret_key: str = _setting("LAKEHOUSE_S3_SECRET_KEY", "", "Secret key of the object store.", secret=True)
    s3_region: str = _setting("LAKEHOUSE_S3_REGION", "us-east-1", "Region of the object store.")
    s3_raw_key: str = _setting(
        "LAKEHOUSE_S3_RAW_KEY",
        "",
        "Key of who writes raw, as ACCESS:SECRET; default LAKEHOUSE_S3_ACCESS_KEY.",
        secret=True,
    )
    s3_bronze_key: str = _setting("LAKEHOUSE_S3_BRONZE_KEY", "", "The same of who writes bronze.", secret=True)
    s3_silver_key: str = _setting(
        "LAKEHOUSE_S3_SILVER_KEY", "", "The same of who writes silver, which Spark does.", secret=True
    )
    s3_warehouse_key: str = _setting(
        "LAKEHOUSE_S3_WAREHOUSE_KEY", "", "The same of who reads silver into the warehouse.", secret=True
    )
    mirror: str = _setting("LAKEHOUSE_MIRROR", "", "Folder or web address of dumps; default archive.org.")
    archive_org: str = _setting(
        "LAKEHOUSE_ARCHIVE_ORG", "https://archive.org", "Address of archive.org, or of one that answers as it does."
    )
    api: str = _setting(
        "LAKEHOUSE_API", "https://api.stackexchange.com/2.3", "Address of the Stack Exchange API, or of one like it."
    )
    api_key: str = _setting(
        "LAKEHOUSE_API_KEY",
        "",
        "Key of the API (10,000 requests a day); without one, 300 requests a day.",
        secret=True,
    )
    simulated: bool = _setting(
        "LAKEHOUSE_SIMULATED",
        False,
        "Whether the mirror and the API are a simulation, which is then asked for simulated sites alone.",
    )
    api_auth: str = _setting(
        "LAKEHOUSE_API_AUTH", "header", "How the key is sent: `header` (Authorization: Bearer) or `query` (?key=)."
    )
    api_start: str = _setting(
        "LAKEHOUSE_API_START",
        "2026-01-01",
        "First day that is asked of the API, for all sites; not to be changed once used.",
    )
    api_reserve: int = _setting(
        "LAKEHOUSE_API_RESERVE", 5, "Per cent of the API's quota that are left to others on this machine's address."
    )
    api_sweep: int = _setting(
        "LAKEHOUSE_API_SWEEP", 20, "Per cent of the API's quota that the sweep for deleted rows may use; 0: no sweep."
    )
    api_reask: int = _setting(
        "LAKEHOUSE_API_REASK", 20, "Per cent of the API's quota that asking young posts again may use; 0: not at all."
    )
    sites: str = _setting(
        "LAKEHOUSE_SITES",
        "",
        "Sites to keep current by themselves, as `beer ai`, besides those that were run once.",
    )
    max_download_bytes: int = _setting(
        "LAKEHOUSE_MAX_DOWNLOAD",
        1_000_000_000,
        "Bytes of the largest dump that is landed unasked; larger ones wait for so-lakehouse run.",
    )
    look_seconds: int = _setting("LAKEHOUSE_LOOK_SECONDS", 60, "Seconds after which a sensor looks again what is due.")
    look_at_days_seconds: int = _setting(
        "LAKEHOUSE_LOOK_AT_DAYS_SECONDS",
        600,
        "The same of the sensor that fetches days, which looks at the most files.",
    )
    releases_seconds: int = _setting(
        "LAKEHOUSE_RELEASES_SECONDS", 3600, "Seconds after which the mirror is asked again for new releases."
    )
    retry_seconds: int = _setting(
        "LAKEHOUSE_RETRY_SECONDS",
        21_600,
        "Seconds after which a dump or a day that could not be fetched is tried again, though nothing has changed.",
    )
    quiet_seconds: int = _setting(
        "LAKEHOUSE_QUIET_SECONDS", 300, "Seconds without a run that feeds the marts, after which they are built."
    )
    wave_seconds: int = _setting(
        "LAKEHOUSE_WAVE_SECONDS", 3600, "Seconds after a first change at which the marts are built, quiet or not."
    )
    now: str = _setting(
        "LAKEHOUSE_NOW",
        "",
        "Moment (ISO, UTC) at which the clock begins that closes days, in each process anew or, as moment@machine's "
        "moment, for all; default: the machine's clock.",
    )
    postgres: str = _setting(
        "LAKEHOUSE_POSTGRES",
        "",
        "Postgres address, best of a database named lakehouse (Dagster counts rows under that name); default the "
        "embedded server in <home>/postgres.",
        secret=True,  # with its password
    )
    spark_master: str = _setting(
        "LAKEHOUSE_SPARK_MASTER", "local[*]", "Spark master: local[*], or spark://host:7077 for a cluster."
    )
    spark_workers_have_jars: bool = _setting(
        "LAKEHOUSE_SPARK_WORKERS_HAVE_JARS",
        False,
        "Whether the cluster's workers have Spark's jars where this machine has them, as those of the stack do; else "
        "each run sends them (700 MB with a lake in an object store).",
    )
    spark_remote: str = _setting(
        "LAKEHOUSE_SPARK_REMOTE",
        "",
        "Address of a Spark Connect server (sc://host:15002) to use instead of starting Spark.",
        secret=True,  # with its token
    )
    metastore: str = _setting(
        "LAKEHOUSE_METASTORE",
        "",
        "Address of a Hive Metastore (thrift://host:9083) that shall know silver's tables by name; default none.",
    )
    spark_memory: str = _setting("LAKEHOUSE_SPARK_MEMORY", "2g", "Memory of the Spark driver.")
    spark_java: str = _setting(
        "LAKEHOUSE_SPARK_JAVA",
        "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC",
        "Options of Spark's Java; the default halves the CPU of small sites, millions of rows want -XX:+UseParallelGC.",
    )
    max_unpacked_bytes: int = _setting(
        "LAKEHOUSE_MAX_UNPACKED", 400_000_000_000, "Largest unpacked size of one archive member, in bytes."
    )
    max_unpack_ratio: int = _setting(
        "LAKEHOUSE_MAX_RATIO", 1_000, "Largest ratio of unpacked to packed bytes of an archive (a bomb's guard)."
    )
    unpack_threads: int = _setting("LAKEHOUSE_UNPACK_THREADS", 0, "Threads of one 7zz process; 0 lets it choose.")
    disk_reserve_bytes: int = _setting(
        "LAKEHOUSE_DISK_RESERVE", 1_000_000_000, "Bytes that must stay free on the disk after a step."
    )
    keep_personal: bool = _setting(
        "LAKEHOUSE_KEEP_PERSONAL", False, "Keep names, places and texts about people in silver."
    )
    retention_hours: int = _setting(
        "LAKEHOUSE_RETENTION_HOURS",
        720,
        "Hours for which maintenance keeps earlier versions of silver, and so what was deleted; at most 720.",
    )
    bronze_quarters: int = _setting(
        "LAKEHOUSE_BRONZE_QUARTERS",
        2,
        "Newest quarters of a site that maintenance keeps in bronze (at least 1), besides those that silver rests on.",
    )
    raw_quarters: int = _setting(
        "LAKEHOUSE_RAW_QUARTERS",
        0,
        "Newest quarters of a site that maintenance keeps in raw, besides those that bronze holds; 0 keeps all.",
    )
    alerts: str = _setting(
        "LAKEHOUSE_ALERTS",
        "",
        "Addresses that are told of what goes wrong, with spaces between them, as apprise spells them: "
        "slack://…, mailtos://…, sns://…, jsons://… (docs/alerts.md); default none.",
        secret=True,  # tokens and passwords are parts of addresses
    )
    late_after: int = _setting(
        "LAKEHOUSE_LATE_AFTER",
        26,
        "Hours after the end of the newest day that silver holds of a site at which the site is late, where days of it "
        "are asked for; 0: never.",
    )
    dagster_page: str = _setting(
        "LAKEHOUSE_DAGSTER_PAGE", "http://127.0.0.1:3000", "Address of Dagster's web page, for links in alerts."
    )
    accept_shrink: bool = _setting(
        "LAKEHOUSE_ACCEPT_SHRINK", False, "Let a dump delete more than 10 % and 100 rows of a table."
    )
    fail_at: str = _setting(
        "LAKEHOUSE_FAIL_AT", "", "Name of the fail point at which the process kills itself (tests)."
    )
    postgres_dbt: str = _setting(
        "LAKEHOUSE_POSTGRES_DBT",
        "",
        "Postgres address with the role that builds and publishes the marts; default LAKEHOUSE_POSTGRES.",
        secret=True,  # with its password
    )
    postgres_reader: str = _setting(
        "LAKEHOUSE_POSTGRES_READER",
        "",
        "Postgres address with the role that only asks (so-lakehouse sql and status); default LAKEHOUSE_POSTGRES.",
        secret=True,  # with its password
    )
    dagster: str = _setting("LAKEHOUSE_DAGSTER", "", "Folder of Dagster's dagster.yaml; default <home>/dagster.")
    stack_network: str = _setting(
        "LAKEHOUSE_STACK_NETWORK",
        "machine",
        "Where the stack's services are: machine (all on 127.0.0.1) or containers (each at a host of its name).",
    )
    stack_s3: str = _setting("LAKEHOUSE_STACK_S3", "minio", "The stack's object store: minio or versitygw.")
    stack_programs: Path = _setting(
        "LAKEHOUSE_STACK_PROGRAMS", PROJECT_ROOT / ".stack" / "bin", "Folder of the programs that the stack builds."
    )
    stack_s3_port: int = _setting("LAKEHOUSE_STACK_S3_PORT", 9000, "Port of the stack's object store.")
    stack_s3_page_port: int = _setting("LAKEHOUSE_STACK_S3_PAGE_PORT", 9001, "Port of MinIO's web page.")
    stack_postgres_port: int = _setting("LAKEHOUSE_STACK_POSTGRES_PORT", 5432, "Port of the stack's Postgres.")
    stack_metastore_port: int = _setting("LAKEHOUSE_STACK_METASTORE_PORT", 9083, "Port of the Hive Metastore.")
    stack_spark_port: int = _setting("LAKEHOUSE_STACK_SPARK_PORT", 7077, "Port of the Spark master.")
    stack_spark_page_port: int = _setting("LAKEHOUSE_STACK_SPARK_PAGE_PORT", 8080, "Port of the Spark master's page.")
    stack_worker_port: int = _setting(
        "LAKEHOUSE_STACK_WORKER_PORT", 7078, "Port of the first Spark worker; further ones take the next."
    )
    stack_worker_page_port: int = _setting(
        "LAKEHOUSE_STACK_WORKER_PAGE_PORT",
        8081,
        "Port of the first Spark worker's page; further ones take the next.",
    )
    stack_connect_port: int = _setting(
        "LAKEHOUSE_STACK_CONNECT_PORT", 15002, "Port of a Spark Connect server of ours, where one is started."
    )
    stack_workers: int = _setting("LAKEHOUSE_STACK_WORKERS", 1, "Spark workers, each a process of its own.")
    stack_worker_cores: int = _setting("LAKEHOUSE_STACK_WORKER_CORES", 2, "Cores that one Spark worker gives away.")
    stack_worker_memory: str = _setting(
        "LAKEHOUSE_STACK_WORKER_MEMORY", "2g", "Memory that one Spark worker gives away."
    )
    stack_code_port: int = _setting("LAKEHOUSE_STACK_CODE_PORT", 4000, "Port of Dagster's code location.")
    stack_dagster_port: int = _setting("LAKEHOUSE_STACK_DAGSTER_PORT", 3000, "Port of Dagster's web page.")

    @property
    def lake_uri(self) -> str:
        return self.lake or str(self.home / "lake")

    @property
    def lake_is_in_s3(self) -> bool:
        return self.lake_uri.startswith(("s3://", "s3a://"))

    def of_writer(self, layer: str) -> Settings:
        """These settings as who makes a layer (raw, bronze, silver, warehouse) has them: with the object store's key of
        that layer, where it has one of its own."""
        key: str = getattr(self, f"s3_{layer}_key")
        access, _, secret = key.partition(":")
        return replace(self, s3_access_key=access, s3_secret_key=secret) if key else self

    @property
    def asks_the_public_api(self) -> bool:
        """Whether the API is the one whose requests everybody behind this machine's address shares."""
        return self.api == type(self).api

    @property
    def landing_folder(self) -> Path:
        """Where archives are brought to on this machine before they go to a lake in an object store."""
        return self.home / "landing"

    @property
    def api_budget(self) -> Path:
        """What all runs on this machine have asked of the API, and what it answered about asking."""
        return self.home / "api.sqlite"

    @property
    def alerts_file(self) -> Path:
        """What has been told of incidents, and what is still to be told."""
        return self.home / "alerts.json"

    @property
    def postgres_folder(self) -> Path:
        return self.home / "postgres"

    @property
    def dagster_home(self) -> Path:
        return Path(self.dagster) if self.dagster else self.home / "dagster"

    @property
    def dbt_folder(self) -> Path:
        """A folder for each build by dbt: what it compiled and its log, until the build is done."""
        return self.home / "dbt"

    @property
    def run_log(self) -> Path:
        """What dbt and others print while the command line runs them."""
        return self.home / "logs" / "runs.log"

    @property
    def jars_folder(self) -> Path:
        """Spark's jars, resolved once at set-up; they belong to the installation, not to a lake."""
        return PROJECT_ROOT / ".jars"

    @property
    def stack_folder(self) -> Path:
        """What the stack's services keep: data, logs, process ids, secrets."""
        return self.home / "stack"

    @classmethod
    def from_environment(cls, environment: dict[str, str] | None = None) -> Settings:
        """The settings of this process; a value that cannot be read raises `BadInput` naming its variable."""
        environment = dict(os.environ) if environment is None else environment
        values: dict[str, object] = {}
        for entry in fields(cls):
            text = environment.get(entry.metadata["variable"], "")
            if text:
                values[entry.name] = _read(entry.metadata["variable"], text, entry.default)
        memory = str(values.get("spark_memory", cls.spark_memory))
        if not re.fullmatch(r"\d+[kmgtKMGT]b?", memory):
            raise BadInput(f"LAKEHOUSE_SPARK_MEMORY is {memory!r}; write it as 2g or 1500m.")
        metastore = str(values.get("metastore", ""))
        if metastore and not re.fullmatch(r"thrift://[^\s:/,]+:\d+", metastore):
            raise BadInput(f"LAKEHOUSE_METASTORE is {metastore!r}; write it as thrift://host:9083, or nothing.")
        _check_api(values)
        if values.get("retry_seconds") == 0:
            raise BadInput("LAKEHOUSE_RETRY_SECONDS is 0; write 1 or more seconds.")
        for name in ("lake", "mirror", "dagster"):  # a folder is the same one wherever a later process starts
            if "://" not in str(values.get(name, "://")):
                values[name] = str(Path(str(values[name])).expanduser().resolve())
        for own in ("s3_raw_key", "s3_bronze_key", "s3_silver_key", "s3_warehouse_key"):
            if values.get(own) and not re.fullmatch(r"[^:]+:.+", str(values[own])):
                raise BadInput(f"LAKEHOUSE_{own.upper()} is no key; write it as ACCESS:SECRET.")
        for own in ("postgres_dbt", "postgres_reader"):
            if values.get(own) and not values.get("postgres"):
                raise BadInput(f"LAKEHOUSE_{own.upper()} is a role of an external server; set LAKEHOUSE_POSTGRES too.")
        return cls(**values)  # type: ignore[arg-type]


def is_day(text: str) -> bool:
    """Whether this is a day as partitions spell it: 2026-01-05, and no other ISO form."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _check_api(values: dict[str, object]) -> None:
    """Raises `BadInput` for settings of the API that cannot be meant; the day is shown, the key never is."""
    if values.get("api_auth", "header") not in ("header", "query"):
        raise BadInput(f"LAKEHOUSE_API_AUTH is {values['api_auth']!r}; write header or query.")
    if not is_day(str(values.get("api_start", "2026-01-01"))):
        raise BadInput(f"LAKEHOUSE_API_START is {values['api_start']!r}; write a day as 2026-01-01.")
    shares = {
        name: values.get(name, default) for name, default in (("api_reserve", 5), ("api_sweep", 20), ("api_reask", 20))
    }
    if sum(int(str(share)) for share in shares.values()) >= 100:
        raise BadInput(
            "LAKEHOUSE_API_RESERVE, _SWEEP and _REASK together must leave something: less than 100 per cent."
        )


def _read(variable: str, text: str, default: object) -> object:
    if isinstance(default, bool):
        if text.lower() in {"1", "true", "yes"}:
            return True
        if text.lower() in {"0", "false", "no"}:
            return False
        raise BadInput(f"{variable} is {text!r}; write true or false.")
    if isinstance(default, int):
        if not re.fullmatch(r"\d+", text.strip()):
            raise BadInput(f"{variable} is {text!r}; write a whole number, 0 or more.")
        return int(text)
    if isinstance(default, Path):
        return Path(text).expanduser().resolve()
    return text


def as_markdown() -> str:
    """The page docs/settings.md: every setting with its variable, default and meaning."""
    lines = [
        "# Settings",
        "",
        "Every setting is an environment variable. Others' variables (JAVA_HOME, DAGSTER_HOME) keep their meaning.",
        "",
    ]
    lines += ["| variable | default | meaning |", "|---|---|---|"]
    for entry in fields(Settings):
        default = entry.default
        shown = default.relative_to(PROJECT_ROOT).as_posix() if isinstance(default, Path) else default
        lines.append(
            f"| `{entry.metadata['variable']}` | {f'`{shown}`' if shown != '' else ''} | {entry.metadata['meaning']} |"
        )
    return "\n".join(lines) + "\n"

"""The Hive Metastore out of pyspark's own jars, on the stack's Postgres: its schema, its command, its process.

Belongs here: how the metastore is started. Does not belong here: which tables are registered in it
(`lake/catalog.py`).
"""

from __future__ import annotations

import os
import subprocess
import zipfile
from collections.abc import Mapping
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2

from so_lakehouse.errors import Unavailable
from so_lakehouse.settings import Settings
from so_lakehouse.spark.java import java_program, require_java
from so_lakehouse.stack import jars, postgres
from so_lakehouse.stack.keys import WRITERS
from so_lakehouse.stack.network import MACHINE, Network
from so_lakehouse.stack.ports import Port, answers
from so_lakehouse.stack.process import Service

ROLE = "so_lakehouse_metastore"
SCHEMA_SECONDS = 180
MEMORY = "512m"  # of its Java; tens of thousands of tables would need more
CONFIGURATION = Path(str(files("so_lakehouse.stack").joinpath("files")))  # the folder that holds hive-site.xml


def service(settings: Settings, secrets: Mapping[str, str]) -> Service:
    """The metastore as a native process; it finds its schema made (`set_up`)."""
    port = Port(settings.stack_metastore_port, "LAKEHOUSE_STACK_METASTORE_PORT")
    return Service(
        name="metastore",
        command=lambda: command(settings),
        ports=[port],
        healthy=lambda: is_ready(settings),
        environment=environment(settings, secrets),
        prepare=lambda: set_up(settings, secrets),
    )


def is_ready(settings: Settings) -> bool:
    """Whether it takes connections."""
    return answers(settings.stack_metastore_port, Network(settings).host("metastore"))


def command(settings: Settings) -> list[str]:
    """The program, natively and in a container."""
    require_java()
    options = [f"-Xmx{MEMORY}", f"-Djava.io.tmpdir={_folder(settings)}"]
    if settings.stack_network == MACHINE:
        options += ["-Djava.security.manager", f"-Djava.security.policy=={CONFIGURATION / 'local_only.policy'}"]
    main = "org.apache.hadoop.hive.metastore.HiveMetaStore"
    return [
        java_program(os.environ),
        *options,
        "-cp",
        _class_path(settings),
        main,
        "-p",
        str(settings.stack_metastore_port),
    ]


def environment(settings: Settings, secrets: Mapping[str, str]) -> dict[str, str]:
    """What hive-site.xml refers to."""
    network = Network(settings)
    (key,) = (writer for writer in WRITERS if writer.secret == "s3_metastore")
    host, port = network.host("postgres"), settings.stack_postgres_port
    kept = {name: os.environ[name] for name in ("PATH", "JAVA_HOME", "LANG") if name in os.environ}
    return kept | {
        "METASTORE_DATABASE": f"jdbc:postgresql://{host}:{port}/{postgres.METASTORE}",
        "METASTORE_USER": ROLE,
        "METASTORE_PASSWORD": secrets["postgres_metastore"],
        "METASTORE_FOLDER": f"file://{_folder(settings)}",
        "METASTORE_S3": network.s3,
        "METASTORE_S3_KEY": key.access_key,
        "METASTORE_S3_SECRET": secrets[key.secret],
    }


def set_up(settings: Settings, secrets: Mapping[str, str]) -> None:
    """Brings the jars, and makes the schema where the database has none, in one go or not at all.

    Raises `Unavailable` where Java, Postgres or Maven Central is not there.
    """
    jars.resolve(settings)
    make_folder(settings)
    where = postgres.address(settings, secrets, ROLE)
    with closing(psycopg2.connect(where)) as connection, connection.cursor() as cursor:
        cursor.execute("""SELECT to_regclass('"VERSION"') IS NOT NULL""")
        if cursor.fetchall() == [(True,)]:
            return
    with TemporaryDirectory(dir=_folder(settings)) as folder:
        _create_schema(settings, secrets, Path(folder))


def make_folder(settings: Settings) -> None:
    """The folder for what it keeps besides its database: temporary files."""
    _folder(settings).mkdir(mode=0o700, parents=True, exist_ok=True)


def _create_schema(settings: Settings, secrets: Mapping[str, str], folder: Path) -> None:
    """By DataNucleus' own tool, from the declaration that the metastore's jar carries."""
    variables = environment(settings, secrets)
    properties = {
        "datanucleus.ConnectionURL": variables["METASTORE_DATABASE"],
        "datanucleus.ConnectionDriverName": "org.postgresql.Driver",
        "datanucleus.ConnectionUserName": variables["METASTORE_USER"],
        "datanucleus.ConnectionPassword": variables["METASTORE_PASSWORD"],
        "datanucleus.identifierFactory": "datanucleus1",
        "datanucleus.schema.autoCreateAll": "true",
    }
    (folder / "schema.properties").write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    (jar,) = _pyspark_jars().glob("hive-metastore-*.jar")
    with zipfile.ZipFile(jar) as archive:
        archive.extract("package.jdo", folder)
    tool = ["org.datanucleus.store.schema.SchemaTool", "-create", "-api", "JDO", "-props", "schema.properties"]
    done = subprocess.run(
        [java_program(os.environ), "-cp", _class_path(settings), *tool, "package.jdo"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SCHEMA_SECONDS,
        check=False,
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise Unavailable(f"The metastore's schema cannot be made in database {postgres.METASTORE}:\n{said}")


def _class_path(settings: Settings) -> str:
    return f"{CONFIGURATION}:{_pyspark_jars()}/*:{settings.jars_folder}/*"


def _pyspark_jars() -> Path:
    import pyspark

    return Path(pyspark.__file__).parent / "jars"


def _folder(settings: Settings) -> Path:
    return settings.stack_folder / "metastore"

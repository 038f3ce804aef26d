"""docker/compose.yaml: valid to the specification's own parser, and the native stack's twin, held against one table."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from so_lakehouse.errors import BadInput
from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.stack import containers, environment, metastore, native, secrets, spark_cluster
from so_lakehouse.stack.network import CONTAINERS
from so_lakehouse.stack.secrets import SECRETS, from_environment, kept, variable
from so_lakehouse.warehouse.postgres_process import PostgresProcess
from so_lakehouse_tests.stack.conftest import need_program

DOCKER = PROJECT_ROOT / "docker"
HOME = "/var/lib/so_lakehouse"
NOT_SERVED = {"postgres", "prepare"}  # an image of its own; set-up
# What people may give a team's lakehouse besides, in docker/.env.
GIVEN = ("MIRROR", "ALERTS", "API_KEY", "API_START", "SITES", "MAX_DOWNLOAD", "DAGSTER_PAGE")
# Of Dagster's containers, besides what environment.py says.
OWN = {"LAKEHOUSE_STACK_SECRET_SPARK", *(f"LAKEHOUSE_{name}" for name in GIVEN)}


def parse(values: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """compose.yaml through the specification's parser, with these variables filled in.

    By us: the parser's program looks variables up in nothing (2.16.2), so that one that is left in the text is missing.
    """

    def filled(found: re.Match[str]) -> str:
        name, default = found["name"], found["default"]
        return values.get(name) or (default if default is not None else found[0])

    text = (DOCKER / "compose.yaml").read_text()
    variables = r"\$\{(?P<name>\w+):(?:-(?P<default>[^}]*)|\?[^}]*)\}"
    (folder / "compose.yaml").write_text(re.sub(variables, filled, text))
    command = [need_program("compose-go"), "-format", "json", "compose.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def values() -> dict[str, str]:
    return {variable(name): secrets.made() for name in SECRETS}


@pytest.fixture(scope="module")
def parsed(values: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = parse(values, tmp_path_factory.mktemp("compose"))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def services(parsed: dict[str, Any]) -> dict[str, Any]:
    return parsed["services"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, stack_network=CONTAINERS)


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_an_empty_secret_stops_compose(values: dict[str, str], name: str, tmp_path: Path) -> None:
    refused = parse(values | {variable(name): ""}, tmp_path)
    assert refused.returncode != 0
    missing = re.findall(r"required variable (\w+) is missing", refused.stdout + refused.stderr)
    assert set(missing) == {variable(name)}


def test_every_native_service_has_its_container_and_no_other_is_there(services: dict[str, Any], tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    named = {service.name.removesuffix("-1") for service in native.services(settings, kept(settings.stack_folder))}
    assert set(services) - {"prepare"} == named
    assert set(containers.SERVED) == named - NOT_SERVED


def test_a_container_runs_the_native_command_and_is_asked_for_its_health(services: dict[str, Any]) -> None:
    for name in containers.SERVED:
        assert services[name]["command"] == ["serve", name]
        assert services[name]["healthcheck"]["test"] == ["CMD", "so-lakehouse", "stack", "health", name]
    assert services["prepare"]["command"] == ["prepare"]


def test_every_container_is_limited_pinned_restarted_and_unprivileged(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert re.fullmatch(r"[1-9]g", service["mem_limit"]), name
        assert re.fullmatch(r"[a-z_0-9]+:\d+(\.\d+)+", service["image"]), name
        assert service["restart"] == ("no" if name == "prepare" else "unless-stopped")
        assert ("healthcheck" in service) == (name != "prepare")
        if name != "postgres":  # drops its rights by itself
            assert service["cap_drop"] == ["ALL"], name
    assert re.search(r"^USER so_lakehouse$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)


def test_what_a_service_keeps_is_on_a_volume_that_has_a_name(services: dict[str, Any], parsed: dict[str, Any]) -> None:
    """A worker's is its own, so that there may be several; a master keeps nothing, and set-up keeps all in servers."""
    places = {
        name: [(volume["type"], volume.get("source", ""), volume["target"]) for volume in service.get("volumes", [])]
        for name, service in services.items()
    }
    named = set(services) - {"prepare", "spark-master", "spark-worker"}
    for name in named:
        target = "/var/lib/postgresql" if name == "postgres" else HOME
        assert places[name] == [("volume", name, target)]
    assert set(parsed["volumes"]) == named
    assert places["spark-worker"] == [("volume", "", HOME)]
    assert Path(HOME, "stack") == Settings(home=Path(HOME)).stack_folder, "what native services keep is in there"


def test_a_container_may_use_more_memory_than_its_processes_are_told_to_use(services: dict[str, Any]) -> None:
    default = Settings()
    postgres_told = " ".join(services["postgres"]["command"])
    (shared_buffers,) = re.findall(r"shared_buffers=(\w+)", postgres_told)
    told = {
        "metastore": [metastore.MEMORY],
        "spark-master": [spark_cluster.DAEMON_MEMORY],
        "spark-worker": [spark_cluster.DAEMON_MEMORY, default.stack_worker_memory],
        "dagster-code": [default.spark_memory],
        "postgres": [shared_buffers],
    }
    for name, parts in told.items():
        assert sum(map(megabytes, parts)) * 1.3 <= megabytes(services[name]["mem_limit"]), name


def megabytes(told: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([mg])b?", told.lower()).groups()
    return int(number) * (1024 if unit == "g" else 1)


def test_pages_alone_are_published_and_on_this_machine_alone(services: dict[str, Any]) -> None:
    published = {
        name: [(port["host_ip"], int(port["published"]), port["target"]) for port in service.get("ports", [])]
        for name, service in services.items()
    }
    default = Settings()
    pages = {
        "s3": default.stack_s3_page_port,
        "spark-master": default.stack_spark_page_port,
        "dagster-page": default.stack_dagster_port,
    }
    assert {name: ports for name, ports in published.items() if ports} == {
        name: [("127.0.0.1", port, port)] for name, port in pages.items()
    }


def test_dagsters_containers_are_told_what_native_processes_are_told(
    services: dict[str, Any], values: dict[str, str], settings: Settings
) -> None:
    wanted = environment.variables(replace(settings, home=Path(HOME)), from_environment(values))
    for name in ("dagster-code", "dagster-page", "dagster-daemon", "prepare"):
        told = services[name]["environment"]
        assert {key: value for key, value in told.items() if key in wanted} == wanted, name
    assert set(services["dagster-code"]["environment"]) == set(wanted) | OWN


def test_a_container_has_the_secrets_that_its_service_needs_and_no_other(
    services: dict[str, Any], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def become(name: str, told: dict[str, str]) -> list[str]:
        with monkeypatch.context() as patch:
            for key, value in told.items():
                patch.setenv(key, value)
            command, _ = containers.SERVED[name][0](settings, from_environment(told))
        return list(command)

    for name in containers.SERVED:
        told = {key: str(value) for key, value in services[name]["environment"].items() if value}
        assert become(name, told)
        for key in (key for key in told if key.startswith("LAKEHOUSE_STACK_SECRET_")):
            with pytest.raises(BadInput, match=key):
                become(name, told | {key: "changeme"})


def test_what_a_service_listens_on_in_its_container_is_the_native_port(settings: Settings) -> None:
    """By construction but for the address: every command is the native one."""
    secret = from_environment({variable(name): secrets.made() for name in SECRETS})
    for name, (become, _) in containers.SERVED.items():
        command, _ = become(settings, secret)
        assert not any("127.0.0.1" in word for word in command), name
    machine = replace(settings, stack_network="machine")
    for service in native.services(machine, kept(machine.stack_folder)):
        said = " ".join(service.command()) if service.name not in ("s3", "postgres") else ""
        counterpart = service.name.removesuffix("-1")
        if said and counterpart in containers.SERVED:
            inside = " ".join(containers.SERVED[counterpart][0](settings, secret)[0])
            ports = [str(port.number) for port in service.ports]
            assert all(port in said and port in inside for port in ports), service.name


def test_postgres_is_the_native_servers_version_with_its_options(services: dict[str, Any], tmp_path: Path) -> None:
    native_server = PostgresProcess(tmp_path, port=5432).command()
    version = subprocess.run([native_server[0], "--version"], capture_output=True, text=True, check=True).stdout
    assert services["postgres"]["image"] == f"postgres:{version.split()[-1]}"
    where = ("--listen_addresses", "--port", "--unix_socket")
    options = [option for option in native_server[3:] if not option.startswith(where)]
    assert sorted(services["postgres"]["command"][1:]) == sorted(options)


def test_the_example_names_every_secret_and_gives_none() -> None:
    example = DOCKER / ".env.example"
    assert secrets.read_variables(example) == {variable(name): "" for name in SECRETS}
    assert [f"LAKEHOUSE_{name}=" for name in GIVEN] == example.read_text().splitlines()[-1].split()[1:]
    ignored = subprocess.run(["git", "check-ignore", "docker/.env"], cwd=PROJECT_ROOT, capture_output=True, check=False)
    assert ignored.returncode == 0

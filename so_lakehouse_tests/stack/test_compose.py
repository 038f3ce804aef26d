"""docker/compose.yaml: valid to the specification's own parser, and the native stack's twin, held against one table."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from so_lakehouse.errors import BadInput
from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.stack import containers, environment, native, secrets
from so_lakehouse.stack.network import CONTAINERS
from so_lakehouse.stack.programs import PROGRAMS
from so_lakehouse.stack.secrets import SECRETS, from_environment, kept, variable
from so_lakehouse.warehouse.postgres_process import PostgresProcess
from so_lakehouse_tests.stack.conftest import need_program

DOCKER = PROJECT_ROOT / "docker"
INSTALL_THE_PROJECT = "--no-cache-dir --no-deps --no-build-isolation --editable . \\"
HOME = "/var/lib/so_lakehouse"
NOT_SERVED = {"postgres", "prepare"}  # an image of its own; set-up
# Of Dagster's containers, besides what environment.py says.
# What people may give a team's lakehouse besides, in docker/.env.
GIVEN = ("MIRROR", "ALERTS", "API_KEY", "API_START", "SITES", "MAX_DOWNLOAD", "DAGSTER_PAGE")
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
def services(values: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    parsed = parse(values, tmp_path_factory.mktemp("compose"))
    assert parsed.returncode == 0, parsed.stderr
    return json.loads(parsed.stdout)["services"]


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


def test_the_image_builds_the_pinned_programs() -> None:
    installed = re.findall(r"go install (\S+)", (DOCKER / "Dockerfile").read_text())
    assert installed == [PROGRAMS["minio"].pinned, PROGRAMS["versitygw"].pinned]


def test_the_layer_of_jars_has_every_module_that_it_runs(tmp_path: Path) -> None:
    """They are copied before the rest of the code, so that a change of code does not bring the jars anew."""
    before_jars = (DOCKER / "Dockerfile").read_text().split("RUN python -m so_lakehouse.spark.jars")[0]
    for *sources, target in map(str.split, re.findall(r"^COPY (so_lakehouse/.*)", before_jars, re.MULTILINE)):
        for source in map(PROJECT_ROOT.joinpath, sources):
            if source.is_dir():  # its content goes into the target
                shutil.copytree(source, tmp_path / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (tmp_path / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(source, tmp_path / target)
    program = (
        "from so_lakehouse.spark.jars import locked_jars as a; from so_lakehouse.stack.jars import locked_jars as b;"
        "assert a() and b();"  # the installed project would lend what is missing
        "print({m.__file__ for n, m in sys.modules.items() if n.startswith('so_lakehouse')})"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, '.'); {program}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {Path(file).is_relative_to(tmp_path) for file in ast.literal_eval(done.stdout)} == {True}


def test_the_image_has_the_packages_of_the_one_lock_file_and_no_others() -> None:
    told = (DOCKER / "Dockerfile").read_text()
    installed = re.findall(r"pip install (.*)", told)
    assert installed == ["--no-cache-dir --require-hashes --requirement requirements.lock", INSTALL_THE_PROJECT]


def test_the_example_names_every_secret_and_gives_none() -> None:
    example = DOCKER / ".env.example"
    assert secrets.read_variables(example) == {variable(name): "" for name in SECRETS}
    assert [f"LAKEHOUSE_{name}=" for name in GIVEN] == example.read_text().splitlines()[-1].split()[1:]
    ignored = subprocess.run(["git", "check-ignore", "docker/.env"], cwd=PROJECT_ROOT, capture_output=True, check=False)
    assert ignored.returncode == 0

"""All services together, started by the command as a person does: what the tests that share them say and ask."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from so_lakehouse.settings import PROJECT_ROOT
from so_lakehouse.stack import native
from so_lakehouse.stack.secrets import read_variables

if TYPE_CHECKING:
    from so_lakehouse_tests.stack.conftest import Stack

SERVICES = [
    "postgres",
    "s3",
    "metastore",
    "spark-master",
    "spark-worker-1",
    "dagster-code",
    "dagster-page",
    "dagster-daemon",
]

LAUNCH = """mutation($selector: JobOrPipelineSelector!, $tags: [ExecutionTag!]!) {
  launchPipelineExecution(executionParams: {selector: $selector, executionMetadata: {tags: $tags}}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RUN = """query($run: ID!) { runOrError(runId: $run) { ... on Run { status
  eventConnection { events { ... on MessageEvent { message }
    ... on ExecutionStepFailureEvent { error { message causes { message } } } } } } } }"""
ADD_SITE = """mutation($site: String!, $repository: RepositorySelector!) {
  addDynamicPartition(partitionsDefName: "site", partitionKey: $site, repositorySelector: $repository) {
    __typename } }"""
REPOSITORY = {"repositoryLocationName": "so_lakehouse", "repositoryName": "__repository__"}
ENDED = ("SUCCESS", "FAILURE", "CANCELED")


@dataclass(frozen=True)
class Running:
    """A stack that the command started, and what the command printed."""

    stack: Stack
    environment: dict[str, str]
    printed: str

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return so_lakehouse(self.environment, *arguments)

    def process_ids(self) -> dict[str, int | None]:
        return {service.name: service.process_id for service in native.status(self.stack.settings)}

    def used(self) -> dict[str, str]:
        """The environment of somebody who has sourced the stack's file."""
        variables = read_variables(self.stack.settings.stack_folder / "environment")
        return self.environment | {name: value.strip("'") for name, value in variables.items()}

    def ask_dagster(self, query: str, **variables: Any) -> Any:
        where = f"http://127.0.0.1:{self.stack.settings.stack_dagster_port}/graphql"
        answer = requests.post(where, json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def add_site(self, site: str) -> None:
        """Makes the site a partition of this Dagster's."""
        self.ask_dagster(ADD_SITE, site=site, repository=REPOSITORY)

    def launch(self, *assets: str, **partition: str) -> str:
        """Has Dagster's page start a run of these assets; returns its id. `partition`: by the names of dimensions."""
        paths = [{"path": asset.split("/")} for asset in assets]
        selector = REPOSITORY | {"jobName": "__ASSET_JOB", "assetSelection": paths}
        tags = {f"dagster/partition/{name}": key for name, key in partition.items()} if len(partition) > 1 else {}
        if partition:
            tags["dagster/partition"] = "|".join(key for _, key in sorted(partition.items()))  # as Dagster sorts them
        told = [{"key": key, "value": value} for key, value in tags.items()]
        data = self.ask_dagster(LAUNCH, selector=selector, tags=told)["launchPipelineExecution"]
        assert data["__typename"] == "LaunchRunSuccess", data
        return data["run"]["runId"]

    def run(self, run_id: str) -> dict[str, Any]:
        """Its status, and what its events say."""
        return self.ask_dagster(RUN, run=run_id)["runOrError"]

    def ended(self, run_id: str, seconds: float = 180) -> dict[str, Any]:
        """The run, once it has come to its end."""
        deadline = time.monotonic() + seconds
        while (run := self.run(run_id))["status"] not in ENDED:
            assert time.monotonic() < deadline, run
            time.sleep(0.5)
        return run


def so_lakehouse(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *arguments]
    return subprocess.run(command, env=environment, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)


COMMAND = (sys.executable, "-m", "so_lakehouse")  # of this checkout

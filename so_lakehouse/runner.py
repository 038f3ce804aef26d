"""Runs layers in this process through Dagster, one recorded run per layer and partition, and says what came of each.

Belongs here: starting runs and reading their events. Which partitions to run is the command line's business, what a run
does is the assets'.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any, TextIO

import dagster as dg
import psutil

from so_lakehouse.partitions import SITES
from so_lakehouse.progress import current, wait_until_free
from so_lakehouse.run_errors import errors_of, explain, sentence
from so_lakehouse.unstable import lies_in_files

LOG_NOTHING = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

# A key or a signal, caught by Dagster or (while Java works) by the code below it.
INTERRUPTED = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")

# Dumps and pages lie on grids of their own, so each is a layer to run.
FOLDERS = {"raw": "raw/dump", "bronze": "bronze/dump", "raw api": "raw/api", "bronze api": "bronze/api"}

# dbt builds all of these in one run, and the marts are published at its end.
DBT_LAYERS = ("staging", "intermediate", "core", "marts")

# Which runs are the command line's own; only those are ended when their process has been killed.
RUN_TAG = {"so_lakehouse/started_by": "command line"}
PROCESS_TAG = "so_lakehouse/process"


@dataclass(frozen=True)
class LayerRun:
    """One finished run: what it wrote or did (metadata per asset or step), what its checks refused, why it failed if it
    did."""

    layer: str
    partition: str | None
    seconds: float
    run_id: str
    materialised: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed_checks: tuple[str, ...] = ()  # blocking ones: where, which, why
    warnings: tuple[str, ...] = ()
    error: str | None = None  # for people; a defect of ours comes with its whole traceback

    @property
    def succeeded(self) -> bool:
        return self.error is None and not self.failed_checks

    def total(self, name: str) -> int:
        """Sum of one number over what was written."""
        return sum(int(metadata.get(name) or 0) for metadata in self.materialised.values())


class Runner:
    """Runs assets of `definitions` in this process, recorded in `instance`; what they print goes to `log`."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance, log: TextIO) -> None:
        self.instance = instance
        self.log = log
        end_orphans(instance)
        self.definitions = definitions
        self.job = definitions.resolve_implicit_global_asset_job_def()
        self.graph = definitions.resolve_asset_graph()
        self.asset_keys = self.graph.materializable_asset_keys

    def add_site(self, site: str) -> None:
        """Makes the site one of the known ones; known already: nothing."""
        if not self.instance.has_dynamic_partition(SITES.name or "", site):
            self.instance.add_dynamic_partitions(SITES.name or "", [site])

    def keys_of(self, layer: str) -> list[dg.AssetKey]:
        """The assets that one run of this layer materialises."""
        folders = DBT_LAYERS if layer == "marts" else (FOLDERS.get(layer, layer),)
        inside = tuple(f"{folder}/" for folder in folders)
        return sorted(key for key in self.asset_keys if f"{key.to_user_string()}/".startswith(inside))

    def run(
        self, layer: str, keys: Sequence[dg.AssetKey], partition: str | None, op_config: dict[str, Any] | None = None
    ) -> LayerRun:
        """Materialises `keys` for one partition and waits. Never raises for what the run itself ran into."""
        return self._execute(layer, self.job, partition, op_config, asset_selection=keys)

    def run_job(self, name: str, partition: str | None, op_config: dict[str, Any] | None = None) -> LayerRun:
        """Runs a job of the definitions for one partition and waits; what its steps report stands under their names."""
        return self._execute(name, self.definitions.resolve_job_def(name), partition, op_config)

    def _execute(
        self,
        layer: str,
        job: dg.JobDefinition,
        partition: str | None,
        op_config: dict[str, Any] | None,
        **selection: Any,
    ) -> LayerRun:
        wait_until_free(lambda: self._holder(job, selection.get("asset_selection")), current())
        started = time.monotonic()
        ops = {name: {"config": config} for name, config in (op_config or {}).items()}
        with redirect_stdout(self.log):  # dbt prints a line per model, Spark's Python side now and then one
            result = job.execute_in_process(
                run_config=LOG_NOTHING | {"ops": ops},
                instance=self.instance,
                partition_key=partition,
                raise_on_error=False,
                tags=RUN_TAG | {PROCESS_TAG: _process()},
                **selection,
            )
        evaluations = result.get_asset_check_evaluations()
        refused = [e for e in evaluations if not e.passed and e.blocking]
        failed = [] if refused or result.success else errors_of(result.all_events)
        if any(sign in str(error) for error in failed for sign in INTERRUPTED):
            raise KeyboardInterrupt  # the person wants all of it to end, not one layer
        return LayerRun(
            layer=layer,
            partition=partition,
            seconds=time.monotonic() - started,
            run_id=result.run_id,
            materialised=_reported(result),
            failed_checks=tuple(map(sentence, refused)),
            warnings=tuple(sentence(e) for e in evaluations if not e.passed and not e.blocking),
            error=None if refused or result.success else explain(failed[0] if failed else None),
        )

    def _holder(self, job: dg.JobDefinition, asset_keys: Sequence[dg.AssetKey] | None) -> str | None:
        """The run that holds a pool which this one needs, for people: Dagster itself would wait without a word."""
        ops = [self.graph.get(key).assets_def.op for key in asset_keys] if asset_keys else job.all_node_defs
        for pool in sorted({op.pool for op in ops if isinstance(op, dg.OpDefinition) and op.pool}):
            held = self.instance.event_log_storage.get_concurrency_info(pool)
            if not held.claimed_slots or held.limit is None or len(held.claimed_slots) < held.limit:
                continue
            end_orphans(self.instance)
            run_id = held.claimed_slots[0].run_id
            run = self.instance.get_run_by_id(run_id)
            partition = run.tags.get("dagster/partition") if run else None
            return f"waiting for run {' '.join(filter(None, (run_id[:8], partition)))}, which works in the pool {pool}"
        return None


def _reported(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """Metadata of what was materialised, by asset; where nothing was, of what steps gave out, by step."""
    assets = {
        event.asset_key.to_user_string(): _plain(event.materialization.metadata)
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }
    return assets or {
        event.step_key: _plain(event.step_output_data.metadata)
        for event in result.all_events
        if event.is_successful_output and event.step_key
    }


def _process() -> str:
    """This process, told apart from a later one with the same number by when it began, and its machine."""
    return f"{os.getpid()} {psutil.Process().create_time()} {socket.gethostname()}"


def _process_of_launched(instance: dg.DagsterInstance, run: dg.DagsterRun, location: str) -> str | None:
    """The process that was started for a run of the daemon's or the page's, as a tag would name it; None where that
    cannot be told: it may live on another machine."""
    origin = run.remote_job_origin
    is_ours = bool(location) and origin is not None and origin.location_name == location
    begun = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.PIPELINE_START, limit=1).records
    if not begun or not (is_ours or lies_in_files(instance)):
        return None
    number = begun[0].event_log_entry.get_dagster_event().pid or 0
    # Begun before the run was, it is this process; later, another one that was given the same number.
    began = _began(number)
    return f"{number} {began if began and began <= begun[0].timestamp else 0.0}"


def _began(number: int) -> float | None:
    """When the process of this number began (seconds since 1970); None where there is none."""
    try:
        return psutil.Process(number).create_time() if number else None
    except psutil.NoSuchProcess:
        return None


def goes_on(process: str) -> bool:
    """Whether the process of such a tag is alive; one of another machine counts as alive, because nobody can tell."""
    number, began, *machine = process.split(" ")
    if machine and machine != [socket.gethostname()]:
        return True
    return _began(int(number)) == float(began)


def end_orphans(instance: dg.DagsterInstance, location: str = "") -> None:
    """Ends runs whose process was killed: Dagster counts them as going on and keeps their places in pools for ever.

    Those of the daemon too where the instance lies in files, and so belongs to this machine alone, and where this
    process belongs to the server of the code location `location`: its runs are processes of the server's machine. The
    server itself watches those that it started; whoever was killed together with an earlier one, nobody else misses.
    """
    active = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    for run in instance.get_runs(dg.RunsFilter(statuses=active)):
        process = run.tags.get(PROCESS_TAG) or _process_of_launched(instance, run, location)
        if process is None or goes_on(process):
            continue
        if (ended := instance.get_run_by_id(run.run_id)) and ended.is_finished:  # meanwhile, by itself
            continue
        instance.report_run_failed(run, "The process of this run was killed. What it left undone, the next run does.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _plain(metadata: Mapping[str, dg.MetadataValue]) -> dict[str, Any]:
    return {name: value.value for name, value in metadata.items()}

"""Marts: built once per wave of loads, when what feeds them has come to rest or goes on for too long."""

from __future__ import annotations

from datetime import datetime

from so_lakehouse.automation.answer import FOLLOWING, READING, Answer, Request, Runs
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse.standing import Standing


def due(standing: Standing | None, settings: Settings, runs: Runs, now: datetime) -> Answer:
    """The build that is due, if any. `standing`: the warehouse's, None where there is none yet."""
    if standing is None or not standing.loads or standing.is_published:
        return Answer()
    if any("marts" in run.layers for run in runs.going_on):
        return Answer(notes=("The marts are being built, or wait in the queue.",))
    since = (now - standing.changed_at).total_seconds() if standing.changed_at else 0.0
    feeding = sum(not run.layers.isdisjoint(READING | FOLLOWING) for run in runs.going_on)
    if since < settings.wave_seconds:
        if feeding:
            return Answer(notes=(f"The marts wait for {feeding} runs that feed them.",))
        if runs.seconds_quiet < settings.quiet_seconds:
            told = f"The marts wait: {runs.seconds_quiet:.0f} s since a run that feeds them ended."
            return Answer(notes=(f"{told} They are built after {settings.quiet_seconds} s (LAKEHOUSE_QUIET_SECONDS).",))
    reason = "the warehouse or the dbt project has changed since the newest published build."
    return runs.answer([Request(("marts",), (), standing.made_of, reason)])

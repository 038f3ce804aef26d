"""Alerts: what is wrong now, who has been told of it, and what is still to be said.

Pure: nothing here knows Dagster. `defs/alerts.py` calls it once a minute, `run_history.py` tells it of runs.
"""

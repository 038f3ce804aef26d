"""Which runs are due, decided from what lies in the lake and the warehouse.

Each step has a module with one pure function: dumps, days, sites, marts. None of them knows Dagster, and none keeps a
memory: whatever crashes, the next look finds what is still to be done. `defs/automation.py` turns answers into runs.
"""

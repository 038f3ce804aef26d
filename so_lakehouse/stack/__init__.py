"""The services that a team's lakehouse stands on, as native processes of this machine and as containers.

Belongs here: object store, Postgres, metastore, Spark cluster and Dagster: their programs, ports, commands, keys and
roles. Does not belong here: what runs on them. The rest of so_lakehouse knows addresses only, never which server it is.
"""

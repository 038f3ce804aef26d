"""A lakehouse for the Stack Exchange network: dumps to Delta tables to Postgres marts, orchestrated by Dagster."""

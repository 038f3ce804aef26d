"""Where the stack's services are: every address that one of them, or the lakehouse, needs of another.

Belongs here: hosts, addresses and what a process listens on. On one machine all is 127.0.0.1; among containers each
service is a host of its own name, and listens on every address of its container, which no other machine reaches.
"""

from __future__ import annotations

from dataclasses import dataclass

from so_lakehouse.errors import BadInput
from so_lakehouse.settings import Settings
from so_lakehouse.stack.ports import LOCAL

MACHINE, CONTAINERS = "machine", "containers"

BUCKET = "lakehouse"
LAKE = f"s3://{BUCKET}/lake"
LOGS_BUCKET = "dagster-logs"
REGION = "us-east-1"  # servers of our own have none; clients want one


@dataclass(frozen=True)
class Network:
    """The addresses of the stack that these settings describe."""

    settings: Settings

    def __post_init__(self) -> None:
        if self.settings.stack_network not in (MACHINE, CONTAINERS):
            raise BadInput(
                f"LAKEHOUSE_STACK_NETWORK is {self.settings.stack_network!r}; write {MACHINE} or {CONTAINERS}."
            )

    @property
    def listen(self) -> str:
        """The address that a service binds."""
        return LOCAL if self.settings.stack_network == MACHINE else "0.0.0.0"  # noqa: S104 - a container's own

    def host(self, service: str) -> str:
        return LOCAL if self.settings.stack_network == MACHINE else service

    @property
    def s3(self) -> str:
        return f"http://{self.host('s3')}:{self.settings.stack_s3_port}"

    @property
    def metastore(self) -> str:
        return f"thrift://{self.host('metastore')}:{self.settings.stack_metastore_port}"

    @property
    def spark(self) -> str:
        return f"spark://{self.host('spark-master')}:{self.settings.stack_spark_port}"

    def postgres(self, role: str, password: str, database: str) -> str:
        return f"postgresql://{role}:{password}@{self.host('postgres')}:{self.settings.stack_postgres_port}/{database}"

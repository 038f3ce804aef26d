"""The stack's object store, one of two servers: its process, its buckets, and the keys of `keys.py` on it.

The only module of the project that may know which server it is. Set-up needs each server's own words for users; what
is made then is plain S3. Does not belong here: who may do what (`keys.py`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import requests

from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.settings import Settings
from so_lakehouse.stack.keys import BUCKETS, WRITERS
from so_lakehouse.stack.network import REGION, Network
from so_lakehouse.stack.ports import Port
from so_lakehouse.stack.process import Service
from so_lakehouse.stack.programs import require

MINIO, VERSITYGW = "minio", "versitygw"
ROOT = "so-lakehouse-root"  # access key of the administrator
HEALTH = {MINIO: "/minio/health/ready", VERSITYGW: "/health"}
FOLDERS = {MINIO: ("",), VERSITYGW: ("files", "users")}  # below its data
TIMEOUT = 10  # seconds of one request of set-up


def chosen(settings: Settings) -> str:
    """The server that the settings name. Raises `BadInput` where it is none of ours."""
    if settings.stack_s3 not in HEALTH:
        raise BadInput(f"LAKEHOUSE_STACK_S3 is {settings.stack_s3!r}; write {MINIO} or {VERSITYGW}.")
    return settings.stack_s3


def service(settings: Settings, secrets: Mapping[str, str], prepare_keys: Callable[[], None]) -> Service:
    """The server as a native process; `prepare_keys` runs once it answers."""
    server = chosen(settings)
    port = Port(settings.stack_s3_port, "LAKEHOUSE_STACK_S3_PORT")
    page = Port(settings.stack_s3_page_port, "LAKEHOUSE_STACK_S3_PAGE_PORT")
    return Service(
        name="s3",
        command=lambda: [str(require(server, settings.stack_programs)), *arguments(settings)],
        ports=[port, page] if server == MINIO else [port],
        healthy=lambda: is_ready(settings),
        environment={"HOME": str(settings.stack_folder), "PATH": os.environ["PATH"]} | environment(secrets),
        prepare=lambda: make_folders(settings),
        started=prepare_keys,
    )


def data_folder(settings: Settings) -> Path:
    """Where the server keeps everything; each server has its own."""
    return settings.stack_folder / "s3" / chosen(settings)


def make_folders(settings: Settings) -> None:
    """Makes what the server wants to find."""
    for folder in FOLDERS[chosen(settings)]:
        (data_folder(settings) / folder).mkdir(mode=0o700, parents=True, exist_ok=True)


def arguments(settings: Settings) -> list[str]:
    """What the server is told on its command line, natively and in a container."""
    listen, data = Network(settings).listen, str(data_folder(settings))
    if chosen(settings) == MINIO:
        page = f"{listen}:{settings.stack_s3_page_port}"
        return ["server", data, "--address", f"{listen}:{settings.stack_s3_port}", "--console-address", page]
    address = ["--port", f"{listen}:{settings.stack_s3_port}", "--health", HEALTH[VERSITYGW], "--quiet"]
    # What it knows of an object it keeps in attributes of the file. Kept apart (--sidecar), the two are not replaced at
    # once: who reads meanwhile meets new bytes with the old checksum.
    return [*address, "--iam-dir", f"{data}/users", "posix", f"{data}/files"]


def environment(secrets: Mapping[str, str]) -> dict[str, str]:
    """Both servers read their administrator's key from the environment, each under its own names."""
    key, secret = ROOT, secrets["s3_root"]
    return {
        "MINIO_ROOT_USER": key,
        "MINIO_ROOT_PASSWORD": secret,
        "ROOT_ACCESS_KEY_ID": key,
        "ROOT_SECRET_ACCESS_KEY": secret,
    }


def is_ready(settings: Settings) -> bool:
    """Whether the server takes requests."""
    try:
        return requests.get(Network(settings).s3 + HEALTH[chosen(settings)], timeout=2).status_code == 200
    except requests.RequestException:
        return False


def set_up(settings: Settings, secrets: Mapping[str, str]) -> None:
    """Makes buckets, keys and their policies; what is there stays. Raises `Unavailable` where the server refuses."""
    store = client(settings, ROOT, secrets["s3_root"])
    there = {bucket["Name"] for bucket in store.list_buckets()["Buckets"]}
    for bucket in BUCKETS:
        if bucket not in there:
            store.create_bucket(Bucket=bucket)
    if chosen(settings) == MINIO:
        _keys_of_minio(settings, secrets)
    else:
        _keys_of_versitygw(settings, secrets, store)


def client(settings: Settings, access_key: str, secret: str) -> Any:
    """A plain S3 client of the stack's server (boto3)."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=Network(settings).s3,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        region_name=REGION,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2}),
    )


def _keys_of_minio(settings: Settings, secrets: Mapping[str, str]) -> None:
    """MinIO attaches a policy to each user."""
    from minio import MinioAdmin
    from minio.credentials import StaticProvider
    from minio.error import MinioAdminException

    host = Network(settings).s3.removeprefix("http://")
    admin = MinioAdmin(endpoint=host, credentials=StaticProvider(ROOT, secrets["s3_root"]), secure=False)
    for writer in WRITERS:
        policy = {"Version": "2012-10-17", "Statement": writer.statements()}
        try:
            admin.policy_add(writer.access_key, policy=policy)
            admin.user_add(writer.access_key, secrets[writer.secret])
            admin.policy_set(writer.access_key, user=writer.access_key)
        except MinioAdminException as error:
            raise Unavailable(f"MinIO refuses the key {writer.access_key}: {error}") from error


def _keys_of_versitygw(settings: Settings, secrets: Mapping[str, str], store: Any) -> None:
    """versitygw knows users by key and secret; what they may do is in the buckets' policies."""
    for writer in WRITERS:
        account = {"Access": writer.access_key, "Secret": secrets[writer.secret], "Role": "user"}
        created = _ask_versitygw(settings, secrets, "create-user", "Account", account)
        if created.status_code == 409:  # is there; it may have another secret
            changed = {"Secret": secrets[writer.secret]}
            created = _ask_versitygw(
                settings, secrets, f"update-user?access={writer.access_key}", "MutableProps", changed
            )
        if not created.ok:
            raise Unavailable(f"versitygw refuses the key {writer.access_key}: {created.text.strip()}")
    for bucket in BUCKETS:
        policy = {"Version": "2012-10-17", "Statement": _statements_of(bucket)}
        # An attribute of a file holds less than 4 KB on ext4.
        store.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy, separators=(",", ":")))


def _statements_of(bucket: str) -> list[dict[str, Any]]:
    """The statements of a bucket's policy; keys that may do the same share one."""
    shared: dict[str, dict[str, Any]] = {}
    for writer in WRITERS:
        for statement in writer.statements() if writer.bucket == bucket else ():
            known = shared.setdefault(json.dumps(statement), statement | {"Principal": {"AWS": []}})
            known["Principal"]["AWS"].append(writer.access_key)
    return list(shared.values())


def _ask_versitygw(
    settings: Settings, secrets: Mapping[str, str], what: str, element: str, fields: Mapping[str, str]
) -> requests.Response:
    """One request of its administration, signed as S3 requests are."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    body = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    url = f"{Network(settings).s3}/{what}"
    request = AWSRequest("PATCH", url, data=f"<{element}>{body}</{element}>".encode())
    S3SigV4Auth(Credentials(ROOT, secrets["s3_root"]), "s3", REGION).add_auth(request)
    return requests.request("PATCH", url, data=request.body, headers=dict(request.headers), timeout=TIMEOUT)

"""One key per writer: each does its work in its own folders of the object store, and is refused everywhere else.

On both servers, because what is a policy of each user on one is a policy of the bucket on the other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from so_lakehouse.stack import object_store
from so_lakehouse.stack.keys import WRITERS, Writer
from so_lakehouse.stack.network import BUCKET, LAKE, LOGS_BUCKET, Network
from so_lakehouse_tests.stack.conftest import Stack, need_program, new_stack, running

LAKE_PREFIX = LAKE.removeprefix(f"s3://{BUCKET}/")
FOLDERS = ("raw", "bronze", "silver", "silver_gates", "quarantine", "staging", "reconciliation")
NAMES = [writer.secret for writer in WRITERS]


def writer_named(name: str) -> Writer:
    (found,) = (writer for writer in WRITERS if writer.secret == name)
    return found


def client(s3: Stack, name: str) -> Any:
    writer = writer_named(name)
    return object_store.client(s3.settings, writer.access_key, s3.secrets[name])


def root(s3: Stack) -> Any:
    return object_store.client(s3.settings, object_store.ROOT, s3.secrets["s3_root"])


def allowed(action: Any, **what: Any) -> bool:
    """Whether the server does it. Anything but a refusal is an error."""
    try:
        action(**what)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 403:
            return False
        raise
    return True


@pytest.fixture(scope="module")
def filled(s3: Stack) -> Stack:
    """An object in every folder of the lake, and one in Dagster's bucket."""
    for folder in FOLDERS:
        root(s3).put_object(Bucket=BUCKET, Key=f"{LAKE_PREFIX}/{folder}/there", Body=b"1")
    root(s3).put_object(Bucket=LOGS_BUCKET, Key="runs/there", Body=b"1")
    return s3


@pytest.mark.parametrize(
    ("name", "reads", "writes"),
    [
        ("s3_lake", FOLDERS, FOLDERS),
        ("s3_raw", ("raw", "bronze", "silver", "silver_gates"), ("raw",)),
        ("s3_bronze", ("raw", "bronze"), ("bronze",)),
        (
            "s3_silver",
            ("bronze", "silver", "silver_gates", "quarantine", "staging", "reconciliation"),
            ("silver", "silver_gates", "quarantine", "staging", "reconciliation"),
        ),
        ("s3_warehouse", ("silver", "silver_gates", "reconciliation"), ()),
        ("s3_metastore", ("silver",), ()),
        ("s3_dagster", (), ()),
    ],
)
def test_a_key_reads_and_writes_its_own_folders_and_no_other(
    filled: Stack, name: str, reads: Sequence[str], writes: Sequence[str]
) -> None:
    store = client(filled, name)
    for folder in FOLDERS:
        key = f"{LAKE_PREFIX}/{folder}"
        assert allowed(store.get_object, Bucket=BUCKET, Key=f"{key}/there") == (folder in reads), folder
        mine = f"{key}/by-{name}"
        assert allowed(store.put_object, Bucket=BUCKET, Key=mine, Body=b"1") == (folder in writes), folder
        assert allowed(store.delete_object, Bucket=BUCKET, Key=mine) == (folder in writes), folder
        if folder not in writes:
            copy = {"Bucket": BUCKET, "Key": f"{LAKE_PREFIX}/{(reads or FOLDERS)[0]}/there"}
            assert not allowed(store.copy_object, Bucket=BUCKET, Key=mine, CopySource=copy)
            assert not allowed(store.create_multipart_upload, Bucket=BUCKET, Key=mine)


def test_a_large_object_goes_in_parts_and_can_be_given_up(filled: Stack) -> None:
    store, key = client(filled, "s3_bronze"), f"{LAKE_PREFIX}/bronze/large"
    upload = store.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    part = store.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=1, Body=b"1" * (5 << 20))
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    store.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload=parts)
    assert store.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == 5 << 20
    upload = store.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    store.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload)
    assert not store.list_multipart_uploads(Bucket=BUCKET).get("Uploads")


@pytest.mark.parametrize("name", NAMES)
def test_a_key_knows_no_bucket_but_its_own(filled: Stack, name: str) -> None:
    own = writer_named(name).bucket
    for bucket, key in ((BUCKET, f"{LAKE_PREFIX}/raw/there"), (LOGS_BUCKET, "runs/there")):
        assert allowed(client(filled, name).list_objects_v2, Bucket=bucket) == (bucket == own)
        if bucket != own:
            assert not allowed(client(filled, name).get_object, Bucket=bucket, Key=key)
            assert not allowed(client(filled, name).put_object, Bucket=bucket, Key="mine", Body=b"1")


@pytest.mark.parametrize("name", NAMES)
def test_no_key_administers_anything(filled: Stack, name: str) -> None:
    store = client(filled, name)
    everything = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{BUCKET}/*"]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    assert not allowed(store.put_bucket_policy, Bucket=BUCKET, Policy=policy)
    assert not allowed(store.delete_bucket_policy, Bucket=BUCKET)
    assert not allowed(store.delete_bucket, Bucket=LOGS_BUCKET)
    assert not allowed(store.create_bucket, Bucket="mine")


def test_dagster_writes_its_logs(filled: Stack) -> None:
    store = client(filled, "s3_dagster")
    store.put_object(Bucket=LOGS_BUCKET, Key="runs/a/stdout", Body=b"said")
    assert store.get_object(Bucket=LOGS_BUCKET, Key="runs/a/stdout")["Body"].read() == b"said"


def test_nobody_without_a_key_is_served(filled: Stack) -> None:
    where = f"{Network(filled.settings).s3}/{BUCKET}/{LAKE_PREFIX}/raw/there"
    assert requests.get(where, timeout=10).status_code == 403
    wrong = object_store.client(filled.settings, "s3-raw", "not-the-secret-of-this-key")
    assert not allowed(wrong.get_object, Bucket=BUCKET, Key=f"{LAKE_PREFIX}/raw/there")


def test_setting_up_again_keeps_everything_and_takes_over_a_new_secret(filled: Stack) -> None:
    object_store.set_up(filled.settings, filled.secrets)
    client(filled, "s3_raw").get_object(Bucket=BUCKET, Key=f"{LAKE_PREFIX}/raw/there")
    changed = dict(filled.secrets) | {"s3_raw": "another0secret1of2the3raw4writer"}
    object_store.set_up(filled.settings, changed)
    rotated = replace(filled, secrets=changed)
    client(rotated, "s3_raw").get_object(Bucket=BUCKET, Key=f"{LAKE_PREFIX}/raw/there")
    assert not allowed(client(filled, "s3_raw").get_object, Bucket=BUCKET, Key=f"{LAKE_PREFIX}/raw/there")
    object_store.set_up(filled.settings, filled.secrets)


@pytest.mark.parametrize("server", [object_store.MINIO, object_store.VERSITYGW])
def test_with_a_new_administrators_secret_buckets_objects_and_keys_stay(server: str) -> None:
    program = need_program(server)
    with new_stack() as made:
        settings = replace(made.settings, stack_s3=server, stack_programs=program.parent)
        before = replace(made, settings=settings)
        after = replace(before, secrets=dict(made.secrets) | {"s3_root": "another0secret1of2the3administrator"})
        for stack in (before, after):
            with running(stack, object_store.service(settings, stack.secrets, lambda: None)):
                object_store.set_up(settings, stack.secrets)
                if stack is before:
                    client(before, "s3_raw").put_object(Bucket=BUCKET, Key=f"{LAKE_PREFIX}/raw/there", Body=b"1")
                client(stack, "s3_raw").get_object(Bucket=BUCKET, Key=f"{LAKE_PREFIX}/raw/there")
                if stack is after:
                    assert not allowed(root(before).list_buckets)

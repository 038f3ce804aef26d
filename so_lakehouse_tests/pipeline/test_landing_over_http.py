"""A dump is landed from a web server that fails in every way we know of, and only the right bytes ever count."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from so_lakehouse.dumps.land import land_dump, resolve
from so_lakehouse.dumps.mirrors import Mirror, open_mirror
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.lake.manifests import RawManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.patience import Patience
from so_lakehouse.settings import Settings
from so_lakehouse_tests.pipeline.fault_server import Fault, FaultServer, fault_server
from so_lakehouse_tests.small_archives import small_7z

ARCHIVE = "/dumps/2016-12/beer.stackexchange.com.7z"
SUMS = "/dumps/2016-12/SHA256SUMS"
CONTENT = small_7z()
IMPATIENT = Patience(tries=3, first_wait=0.01, longest_wait=0.02, longest_retry_after=2, read_timeout=0.5)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A mirror with one release and one archive."""
    with fault_server() as server:
        server.files = {
            "/dumps/releases.csv": b"release,cut_date,quarter,revision,note\n2016-12,2016-12-11,2016-10-01,1,\n",
            ARCHIVE: CONTENT,
        }
        yield server


def mirror_of(server: FaultServer) -> Mirror:
    return open_mirror(f"{server.address}/dumps/", Settings(), IMPATIENT)


def land(server: FaultServer, lake: Lake, settings: Settings) -> RawManifest:
    mirror = mirror_of(server)
    return land_dump(lake, mirror, resolve(mirror, "beer"), settings)


def landed_bytes(lake: Lake, manifest: RawManifest) -> bytes:
    return lake.read_bytes(manifest.archives[0].path)


def nothing_is_published(lake: Lake) -> bool:
    return not [path for path in lake.list("raw", recursive=True) if path.endswith(("manifest.json", ".7z"))]


def test_lands_the_publishers_bytes_with_where_they_came_from(server: FaultServer, lake: Lake, settings: Settings):
    manifest = land(server, lake, settings)
    assert landed_bytes(lake, manifest) == CONTENT
    assert manifest.archives[0].sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert manifest.archives[0].url == server.address + ARCHIVE
    assert (manifest.release, manifest.cut_date, manifest.quarter) == ("2016-12", "2016-12-11", "2016-10-01")
    assert RawManifest.load(lake, "2016-10-01", "beer") == manifest


def test_fetches_nothing_the_second_time(server: FaultServer, lake: Lake, settings: Settings):
    server.files[SUMS] = f"{hashlib.sha256(CONTENT).hexdigest()}  beer.stackexchange.com.7z\n".encode()
    first = land(server, lake, settings)
    assert land(server, lake, settings) == first
    assert len(server.got(ARCHIVE)) == 1


def test_without_a_checksum_the_start_of_the_archive_tells_whether_it_changed(
    server: FaultServer, lake: Lake, settings: Settings
):
    first = land(server, lake, settings)
    assert land(server, lake, settings) == first
    server.files[ARCHIVE] = small_7z(seed=2)
    with pytest.raises(BadInput, match="has other bytes than were landed"):
        land(server, lake, settings)
    assert RawManifest.load(lake, "2016-10-01", "beer") == first


@pytest.mark.parametrize("reset", [False, True], ids=["ended", "reset"])
def test_goes_on_where_a_connection_broke(server: FaultServer, lake: Lake, settings: Settings, reset: bool):
    server.faults[ARCHIVE] = [Fault(cut_after=200_000, reset=reset, pace=0.05 if reset else 0)]
    assert landed_bytes(lake, land(server, lake, settings)) == CONTENT
    (_, first), (span, second) = server.got(ARCHIVE)
    assert (first, second) == (200, 206)
    assert 0 < int(span.removeprefix("bytes=").removesuffix("-")) <= 200_000


def test_starts_again_where_the_server_answers_a_range_with_the_whole(
    server: FaultServer, lake: Lake, settings: Settings
):
    server.faults[ARCHIVE] = [Fault(cut_after=200_000), Fault(ignore_range=True)]
    assert landed_bytes(lake, land(server, lake, settings)) == CONTENT
    assert [status for _, status in server.got(ARCHIVE)] == [200, 200]


def test_starts_again_where_the_server_names_no_version_of_its_bytes(
    server: FaultServer, lake: Lake, settings: Settings
):
    server.validators = False
    server.faults[ARCHIVE] = [Fault(cut_after=200_000)]
    assert landed_bytes(lake, land(server, lake, settings)) == CONTENT
    assert server.got(ARCHIVE) == [("", 200), ("", 200)]


def test_never_joins_bytes_of_two_versions(server: FaultServer, lake: Lake, settings: Settings):
    server.faults[ARCHIVE] = [Fault(cut_after=200_000), Fault(status=503), Fault(status=503)]
    with pytest.raises(Unavailable, match="Tried 3 times"):
        land(server, lake, settings)
    changed = server.files[ARCHIVE] = small_7z(seed=2)
    assert landed_bytes(lake, land(server, lake, settings)) == changed


def test_joined_bytes_of_a_lying_server_are_fetched_once_more_in_one_piece(
    server: FaultServer, lake: Lake, settings: Settings
):
    """The server keeps one ETag for whatever it has; only the published checksum tells."""
    server.etag = '"always"'
    server.faults[ARCHIVE] = [Fault(cut_after=200_000), Fault(status=503), Fault(status=503)]
    with pytest.raises(Unavailable):
        land(server, lake, settings)
    changed = server.files[ARCHIVE] = small_7z(seed=2)
    server.files[SUMS] = f"{hashlib.sha256(changed).hexdigest()}  beer.stackexchange.com.7z\n".encode()
    assert landed_bytes(lake, land(server, lake, settings)) == changed
    assert [status for _, status in server.got(ARCHIVE)][-2:] == [206, 200]


def test_bytes_of_two_mirrors_are_never_joined(server: FaultServer, lake: Lake, settings: Settings):
    server.etag = '"always"'
    server.faults[ARCHIVE] = [Fault(cut_after=200_000), Fault(status=503), Fault(status=503)]
    with pytest.raises(Unavailable):
        land(server, lake, settings)
    with fault_server() as other:
        other.etag, other.files = server.etag, server.files | {ARCHIVE: small_7z(seed=2)}
        assert landed_bytes(lake, land(other, lake, settings)) == other.files[ARCHIVE]
        assert other.got(ARCHIVE) == [("", 200)]


def test_another_range_than_asked_for_is_refused(server: FaultServer, lake: Lake, settings: Settings):
    server.faults[ARCHIVE] = [
        Fault(cut_after=200_000),
        Fault(headers={"Content-Range": f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"}),
    ]
    with pytest.raises(Unavailable, match=r"answered bytes \d+- with 'bytes 0-"):
        land(server, lake, settings)
    assert landed_bytes(lake, land(server, lake, settings)) == CONTENT


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_asks_again_after_an_error_that_passes(server: FaultServer, lake: Lake, settings: Settings, status: int):
    server.faults[ARCHIVE] = [Fault(status=status), Fault(status=status)]
    assert landed_bytes(lake, land(server, lake, settings)) == CONTENT


def test_gives_up_after_as_many_tries_as_it_was_told(server: FaultServer, lake: Lake, settings: Settings):
    server.faults[ARCHIVE] = [Fault(status=503)] * 10
    with pytest.raises(Unavailable, match=r"HTTP 503.*Tried 3 times"):
        land(server, lake, settings)
    assert len(server.got(ARCHIVE)) == 3
    assert nothing_is_published(lake)


def test_waits_as_long_as_the_server_asks(server: FaultServer, lake: Lake, settings: Settings):
    server.faults[ARCHIVE] = [Fault(status=503, headers={"Retry-After": "1"})]
    start = time.monotonic()
    land(server, lake, settings)
    assert time.monotonic() - start >= 1


def test_does_not_wait_for_hours(server: FaultServer, lake: Lake, settings: Settings):
    tomorrow = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    server.faults[ARCHIVE] = [Fault(status=503, headers={"Retry-After": tomorrow})]
    with pytest.raises(Unavailable, match="asks to come back in 8"):
        land(server, lake, settings)


@pytest.mark.parametrize("status", [401, 403])
def test_does_not_ask_again_where_it_is_refused(server: FaultServer, lake: Lake, settings: Settings, status: int):
    server.faults[ARCHIVE] = [Fault(status=status)] * 3
    with pytest.raises(Unavailable, match=f"refused .HTTP {status}"):
        land(server, lake, settings)
    assert len(server.got(ARCHIVE)) == 1


def test_a_connection_that_falls_silent_is_opened_again(server: FaultServer, lake: Lake, settings: Settings):
    server.faults[ARCHIVE] = [Fault(stall=3 * IMPATIENT.read_timeout)]
    assert landed_bytes(lake, land(server, lake, settings)) == CONTENT


def test_a_slow_server_is_waited_for(server: FaultServer, lake: Lake, settings: Settings):
    server.faults[ARCHIVE] = [Fault(pace=0.3 * IMPATIENT.read_timeout)]
    assert landed_bytes(lake, land(server, lake, settings)) == CONTENT
    assert len(server.got(ARCHIVE)) == 1


def test_a_content_length_beyond_the_file_is_refused(server: FaultServer, lake: Lake, settings: Settings):
    server.faults[ARCHIVE] = [Fault(extra_length=5)]
    with pytest.raises(Unavailable, match="announced with"):
        land(server, lake, settings)
    assert nothing_is_published(lake)


def test_a_web_page_instead_of_an_archive_is_refused_at_its_first_bytes(
    server: FaultServer, lake: Lake, settings: Settings
):
    server.files[ARCHIVE] = b"<!DOCTYPE html><title>Log in</title>" + b" " * 300_000
    told: list[int] = []
    mirror = mirror_of(server)
    with pytest.raises(BadInput, match=r"not a 7z archive.*web page"):
        land_dump(lake, mirror, resolve(mirror, "beer"), settings, lambda what, done, total=None: told.append(done))
    assert told == []
    assert nothing_is_published(lake)


def test_an_archive_that_is_cut_short_at_its_publisher_is_refused(server: FaultServer, lake: Lake, settings: Settings):
    server.files[ARCHIVE] = CONTENT[:-1]
    with pytest.raises(BadInput, match="cut short: it has 400,037 of 400,038 bytes"):
        land(server, lake, settings)
    assert nothing_is_published(lake)


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(server: FaultServer, lake: Lake, settings: Settings):
    server.files[SUMS] = b"0" * 64 + b"  beer.stackexchange.com.7z\n"
    with pytest.raises(BadInput, match=r"SHA-256 [0-9a-f]{64}, published is 0{64}"):
        land(server, lake, settings)
    assert [path for path in lake.list("raw", recursive=True) if "." in path.rpartition("/")[2]] == []


def test_a_server_without_head_is_asked_by_get(server: FaultServer, lake: Lake, settings: Settings):
    server.head = False
    assert landed_bytes(lake, land(server, lake, settings)) == CONTENT


def test_a_file_that_vanished_in_between_is_said_to_be_gone(server: FaultServer, lake: Lake, settings: Settings):
    mirror = mirror_of(server)
    dump = resolve(mirror, "beer")
    del server.files[ARCHIVE]
    with pytest.raises(Unavailable, match="has gone"):
        land_dump(lake, mirror, dump, settings)


def test_an_address_that_is_no_mirror_is_said_to_be_none(server: FaultServer):
    mirror = open_mirror(f"{server.address}/elsewhere", Settings(), IMPATIENT)
    with pytest.raises(BadInput, match=r"is not a mirror: it has no releases\.csv"):
        mirror.releases()


def test_a_server_that_is_not_there_is_unavailable():
    mirror = open_mirror("http://127.0.0.1:9/dumps", Settings(), IMPATIENT)
    with pytest.raises(Unavailable, match="cannot be reached"):
        mirror.releases()


def test_a_password_in_the_address_is_never_shown(server: FaultServer, lake: Lake, settings: Settings):
    address = server.address.replace("http://", "http://reader:secret@")
    mirror = open_mirror(f"{address}/dumps", Settings(), IMPATIENT)
    land_dump(lake, mirror, resolve(mirror, "beer"), settings)
    written = b"".join(lake.read_bytes(path) for path in lake.list("raw", recursive=True) if path.endswith(".json"))
    assert b"secret" not in written
    server.files[ARCHIVE] = b"no"
    with pytest.raises(BadInput) as refused:
        land_dump(
            Lake(str(settings.home / "other")),
            mirror,
            resolve(open_mirror(f"{address}/dumps", settings), "beer"),
            settings,
        )
    assert "secret" not in str(refused.value)


LAND = """
import sys
from so_lakehouse.dumps.land import land_dump, resolve
from so_lakehouse.dumps.mirrors import open_mirror
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
settings = Settings.from_environment()
mirror = open_mirror(sys.argv[1], settings)
land_dump(Lake(settings.lake_uri), mirror, resolve(mirror, "beer"), settings)
"""


def process_that_lands(server: FaultServer, settings: Settings, **environment: str) -> subprocess.Popen[bytes]:
    variables = os.environ | {"LAKEHOUSE_HOME": str(settings.home)} | environment
    return subprocess.Popen([sys.executable, "-c", LAND, f"{server.address}/dumps"], env=variables)


@pytest.mark.parametrize("place", ["raw.part_written", "raw.before_manifest"])
def test_a_run_after_a_kill_ends_in_the_same_and_fetches_nothing_twice(
    server: FaultServer, lake: Lake, settings: Settings, place: str
):
    with process_that_lands(server, settings, LAKEHOUSE_FAIL_AT=place) as killed:
        assert killed.wait(60) == -signal.SIGKILL
    assert RawManifest.load(lake, "2016-10-01", "beer") is None
    manifest = land(server, lake, settings)
    assert landed_bytes(lake, manifest) == CONTENT
    assert len(server.got(ARCHIVE)) == 1
    files = [path.rpartition("/")[2] for path in lake.list("raw", recursive=True) if "." in path.rpartition("/")[2]]
    assert files == ["manifest.json", "beer.stackexchange.com.7z", "manifest.json"]


def test_a_run_after_a_kill_in_mid_body_goes_on_from_there(server: FaultServer, lake: Lake, settings: Settings):
    server.faults[ARCHIVE] = [Fault(pace=0.2)]
    part = (
        settings.home
        / "lake/raw/dump/quarter=2016-10-01/site=beer/release=2016-12/revision=1/beer.stackexchange.com.7z.part"
    )
    with process_that_lands(server, settings) as killed:
        while not (part.is_file() and part.stat().st_size >= 100_000):
            assert killed.poll() is None
            time.sleep(0.02)
        killed.kill()
    assert landed_bytes(lake, land(server, lake, settings)) == CONTENT
    span, status = server.got(ARCHIVE)[-1]
    assert status == 206
    assert int(span.removeprefix("bytes=").removesuffix("-")) >= 100_000


def test_two_processes_never_write_one_part(server: FaultServer, lake: Lake, settings: Settings):
    server.faults[ARCHIVE] = [Fault(pace=0.2)]
    with process_that_lands(server, settings) as first:
        while not server.got(ARCHIVE):
            assert first.poll() is None
            time.sleep(0.02)
        time.sleep(0.1)
        with pytest.raises(Unavailable, match="Another process is fetching"):
            land(server, lake, settings)
        assert first.wait(60) == 0
    assert landed_bytes(lake, land(server, lake, settings)) == CONTENT

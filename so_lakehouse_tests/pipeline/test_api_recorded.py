"""Real replies of the Stack Exchange API, sent once more: what the client makes of their bytes and headers, and what
becomes of their items.

The folder holds bodies as JSON and headers as they came. They are packed again where the header says so.
"""

from __future__ import annotations

import gzip
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from so_lakehouse.api.budget import BACKOFF_MARGIN, LONGEST_WAIT, WINDOWS, NotNow, Quota
from so_lakehouse.api.client import Client, Page
from so_lakehouse.api.error_table import ERRORS, Treatment, seconds_to_wait
from so_lakehouse.api.fields import FIELDS
from so_lakehouse.api.items import read_item
from so_lakehouse.errors import Refused
from so_lakehouse.patience import Patience
from so_lakehouse.schema import TABLES, Type
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.simulate.api_server import running
from so_lakehouse_tests.pipeline.api_world import KEY, StillClock

RECORDED = PROJECT_ROOT.parent / "shared" / "data" / "se_api"
# What the built-in filter of the time served of an item: those replies were asked for without ours.
BY_DEFAULT = {"questions": {"question_id", "title", "tags"}, "answers": {"answer_id", "question_id"}}


@dataclass(frozen=True)
class Recording:
    """One reply: what it answered, and what came."""

    name: str
    path: str
    parameters: dict[str, str]
    status: int
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def bytes(self) -> bytes:
        plain = json.dumps(self.body, ensure_ascii=False).encode()
        return gzip.compress(plain, mtime=0) if self.headers.get("Content-Encoding") == "gzip" else plain


class Replaying(ThreadingHTTPServer):
    """Answers each question with the next of `replies`; `asked` is the paths, `keys` what came with them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies: list[Recording] = []
        self.asked: list[str] = []
        self.keys: set[str] = set()


class _Handler(BaseHTTPRequestHandler):
    server: Replaying
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each body waits 40 ms

    def do_GET(self) -> None:
        self.server.asked.append(urlsplit(self.path).path)
        self.server.keys.add(self.headers.get("Authorization", ""))
        reply = self.server.replies.pop(0)
        self.send_response_only(reply.status)
        for name, value in (reply.headers | {"Content-Length": str(len(reply.bytes))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.bytes)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@dataclass
class Api:
    """A server that replays, and a client of it whose waits take no time."""

    server: Replaying
    clock: StillClock
    client: Client
    pages: dict[str, Page] = field(default_factory=dict)

    def ask(self, reply: Recording, *more: Recording) -> Page:
        """What the client answers to the question of the first, where these come one after the other."""
        self.server.replies = [reply, *more]
        self.server.asked.clear()
        return self.client.ask(reply.path.strip("/"), reply.path, reply.parameters, WINDOWS)


@pytest.fixture
def replayed(settings: Settings) -> Iterator[Api]:
    clock = StillClock()
    with running(Replaying()) as server:
        of_server = Settings(home=settings.home, api=f"http://127.0.0.1:{server.server_port}/2.2", api_key=KEY)
        patience = Patience(deadline=900, sleep=clock.sleep, monotonic=clock.monotonic)
        yield Api(server, clock, Client(of_server, clock, patience))
        assert server.keys == {f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def recorded() -> Path:
    """Folder of recorded replies of the API; it is not part of the project."""
    if not RECORDED.is_dir():
        reason = f"no recorded replies at {RECORDED}"
        if os.environ.get("CI", "false").lower() not in {"", "0", "false"}:
            pytest.fail(reason)
        pytest.skip(reason)  # they are not published with the project
    return RECORDED


@pytest.fixture(scope="module")
def recordings(recorded: Path) -> dict[str, Recording]:
    """Every reply with items or an error, by name."""
    found = {}
    for file in sorted((recorded / "recorded").glob("*.json")):
        content = json.loads(file.read_text("utf-8"))
        url = urlsplit(content["request"]["uri"])
        headers = {name: values[0] for name, values in content["headers"].items()}
        told = (content["status"], headers, content["body"])
        found[file.stem] = Recording(file.stem, url.path.removeprefix("/2.2"), dict(parse_qsl(url.query)), *told)
    page = json.loads((recorded / "reputation-builder-0.json").read_text("utf-8"))
    search = json.loads((recorded / "resolve-it" / "stackapi.json").read_text("utf-8"))["stackapi_results"]
    packed = {"Content-Type": "application/json; charset=utf-8", "Content-Encoding": "gzip"}
    found["page"] = Recording("page", "/questions", {"site": "stackoverflow"}, 200, packed, page)
    found["search"] = Recording("search", "/search", {"site": "stackoverflow"}, 200, packed, search)
    return found


def test_every_recorded_reply_says_through_the_client_what_its_body_says(recordings, replayed):
    answered = {name: reply for name, reply in recordings.items() if "items" in reply.body}
    assert len(answered) >= 40
    assert sum(len(reply.body["items"]) for reply in answered.values()) >= 400
    assert {reply.body["has_more"] for reply in answered.values()} == {True, False}
    for name, reply in answered.items():
        page = replayed.ask(reply)
        assert page.items == reply.body["items"], name
        assert page.has_more is reply.body["has_more"], name
        assert page.received.status == reply.status
        assert page.received.body == reply.bytes, "raw keeps what came"
        assert page.received.headers["Content-Encoding"] == "gzip"
        assert page.received.headers.get("Date") == reply.headers.get("Date"), name
        assert len(replayed.server.asked) == 1
        told = Quota(reply.body["quota_remaining"], reply.body["quota_max"])
        assert replayed.client.budget.quota() == told, name


def test_a_recorded_backoff_holds_its_method_for_as_long_as_it_says_and_no_other(recordings, replayed):
    (told,) = [reply for reply in recordings.values() if reply.body.get("backoff")]
    assert told.body["backoff"] == 10
    began = replayed.clock.now()
    replayed.ask(told)
    replayed.ask(recordings["page"])
    assert replayed.clock.now() - began < timedelta(seconds=2)
    again = Recording("again", told.path, told.parameters | {"page": "2"}, 200, told.headers, told.body)
    replayed.ask(again)
    assert replayed.clock.now() - began >= timedelta(seconds=10 + BACKOFF_MARGIN)


def test_a_recorded_error_reply_is_final_and_named(recordings, replayed):
    (error,) = [reply for reply in recordings.values() if "error_id" in reply.body]
    with pytest.raises(Refused, match="404 no_method: 'no method found with this name'"):
        replayed.ask(error)
    assert len(replayed.server.asked) == 1


def test_every_error_that_people_have_published_does_what_its_kind_asks_for(recorded, recordings, replayed):
    kinds: defaultdict[str, list[float | None]] = defaultdict(list)
    good = recordings["page"]
    for number, error in enumerate(json.loads((recorded / "errors.json").read_text("utf-8"))):
        body, headers = error["body"], {"Content-Type": "application/json; charset=utf-8"}  # errors come plain too
        reply = Recording(
            "error", good.path, good.parameters | {"page": f"{number}"}, error["http_status"], headers, body
        )
        known, seconds = ERRORS[body["error_id"]], seconds_to_wait(body["error_message"])
        assert known.name == body["error_name"]
        kinds[known.treatment].append(seconds)
        if known.treatment is Treatment.FINAL:
            with pytest.raises(Refused) as refused:
                replayed.ask(reply)
            assert body["error_message"] in str(refused.value)
            assert known.advice in str(refused.value)
            assert len(replayed.server.asked) == 1
        elif seconds is None:
            assert replayed.ask(reply, good).items == good.body["items"]
            assert len(replayed.server.asked) == 2
        else:
            assert seconds > LONGEST_WAIT
            with pytest.raises(NotNow, match=f"available in {seconds:.0f} seconds") as stopped:
                replayed.ask(reply)
            assert stopped.value.until == replayed.clock.now() + timedelta(seconds=seconds)
            with pytest.raises(NotNow):
                replayed.ask(good)
            assert replayed.server.asked == [], "nothing is asked until then"
            replayed.clock.sleep(seconds + BACKOFF_MARGIN)
    assert {kind: sorted(waits, key=str) for kind, waits in kinds.items()} == {
        "final": [None] * 5,
        "wait": [67194.0, 84268.0, None],
    }


def test_every_recorded_item_reads_value_by_value(recordings, replayed):
    counts = dict.fromkeys(ENTITIES, 0)
    for reply in recordings.values():
        for item in replayed.ask(reply).items if "items" in reply.body else []:
            name = next((name for name, fields in FIELDS.items() if _is(item, fields.key, name)), None)
            if name is None:
                continue
            row = read_item(ENTITIES[name], item, frozenset(BY_DEFAULT.get(name, ())))
            counts[name] += 1
            for path, column in FIELDS[name].columns.items():
                _same(name, item, path, row[column], column)
    assert counts["questions"] >= 90
    assert counts["comments"] >= 30
    assert counts["answers"] > 5
    assert counts["users"] >= 2


def _is(item: dict, key: str, name: str) -> bool:
    if name == "questions":
        return key in item and "title" in item and "tags" in item and "answer_id" not in item
    if name == "users":
        return key in item and "account_id" in item
    return key in item and "owner" in item


def _same(name: str, item: dict, path: str, value: Any, column: str) -> None:
    head, _, part = path.partition(".")
    told = item.get(head, {}).get(part) if part else item.get(head)
    kind = TABLES[ENTITIES[name].table][column].type
    if told is None:
        assert value is None
    elif kind is Type.TIMESTAMP:
        assert value.timestamp() == told
    elif kind is Type.TAGS:
        assert value.strip("|").split("|") == told
    else:
        assert value == told

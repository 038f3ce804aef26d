"""What tests of the API share: a clock that only waiting moves, a small site, and a client of a real server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from so_lakehouse.api.budget import WINDOWS
from so_lakehouse.api.client import Client, Page
from so_lakehouse.clock import Clock
from so_lakehouse.patience import Patience
from so_lakehouse.settings import Settings
from so_lakehouse.simulate.api_server import ApiServer, serving
from so_lakehouse.simulate.api_site import ApiSite, Item

KEY = "secret-key"
DAY = "2026-01-05"


def at(text: str) -> int:
    """Seconds since 1970 of a moment in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


MIDNIGHT = at(DAY)


class StillClock(Clock):
    """Stands still but for `sleep`, which takes no time of the test's."""

    def __init__(self, start: str = "2026-01-06T06:00:00") -> None:
        super().__init__()
        self.moment = datetime.fromisoformat(start).replace(tzinfo=UTC)
        self.waits: list[float] = []

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.moment += timedelta(seconds=max(seconds, 0.0))

    def monotonic(self) -> float:
        return self.moment.timestamp()


@dataclass
class World:
    """A server with the site beer, and whoever asks it."""

    server: ApiServer
    clock: StillClock
    settings: Settings
    site: ApiSite

    def client(self, **changes: Any) -> Client:
        """A new process, as it were: what it knows of the budget is in the file."""
        patience = Patience(sleep=self.clock.sleep, monotonic=self.clock.monotonic, deadline=900, read_timeout=0.5)
        return Client(replace(self.settings, **changes), self.clock, patience)

    def asked(self, method: str) -> list[dict[str, str]]:
        """The parameters of every question of a method, in order."""
        found = [text for text in self.server.requests if text.startswith(f"/2.3/{method}?")]
        return [dict(re.findall(r"\('(\w+)', '([^']*)'\)", text)) for text in found]


def ask(api: World, client: Client | None = None, purpose: str = WINDOWS, **parameters: Any) -> Page:
    """The answer to one question, of a list of questions."""
    given = {"site": "alcohol", "sort": "creation"} | parameters
    return (client or api.client()).ask("questions", "/questions", given, purpose)


@contextmanager
def world(home: Path, start: str = "2026-01-06T06:00:00", **changes: Any) -> Iterator[World]:
    clock = StillClock(start)
    with serving(lambda: clock.now().timestamp()) as server:
        server.sites["alcohol"] = ApiSite()
        settings = replace(Settings(home=home, api=server.address, api_key=KEY), **changes)
        yield World(server, clock, settings, server.sites["alcohol"])


OWNER: Item = {"user_id": 4, "display_name": "Ann", "user_type": "registered"}


def question(key: int, active: int, **changes: Any) -> Item:
    """A question as the API has it, every field that we read among them."""
    written = {"creation_date": active, "last_activity_date": active, "content_license": "CC BY-SA 4.0"}
    counts = {"score": 1, "view_count": 7, "answer_count": 0, "comment_count": 0, "up_vote_count": 1}
    text = {"title": f'What is "{key}" & why?', "body": "<p>a &lt; b</p>", "tags": ["stout", "c++"]}
    return {"question_id": key, "owner": OWNER, "is_answered": False, **written, **counts, **text, **changes}


def answer(key: int, active: int, parent: int, **changes: Any) -> Item:
    written = {"creation_date": active, "last_activity_date": active, "content_license": "CC BY-SA 4.0"}
    told = {"question_id": parent, "owner": OWNER, "is_accepted": False, "body": "<p>so</p>"}
    return {"answer_id": key, "score": 0, "comment_count": 0, **written, **told, **changes}


def comment(key: int, made: int, post: int, **changes: Any) -> Item:
    told = {"post_id": post, "score": 0, "body": "see <code>x</code>", "body_markdown": "see `x`", "edited": False}
    return (
        {"comment_id": key, "creation_date": made, "owner": OWNER, "content_license": "CC BY-SA 4.0"} | told | changes
    )


def user(key: int, made: int, **changes: Any) -> Item:
    told = {"display_name": f"U{key}", "user_type": "registered", "account_id": 1000 + key, "about_me": "<p>hi</p>"}
    counts = {"reputation": 1, "view_count": 0, "up_vote_count": 0, "down_vote_count": 0}
    return {"user_id": key, "creation_date": made, "last_access_date": made} | told | counts | changes

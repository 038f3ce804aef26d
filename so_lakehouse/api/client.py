"""Asking the API one question: when it may be asked, again where that helps, and what an error means.

Belongs here: the life of one question. Not here: which questions (`windows.py`, `by_ids.py`), what may be spent
(`budget.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from so_lakehouse.api.budget import LONGEST_WAIT, SAME_QUESTION_SECONDS, Budget, NotNow
from so_lakehouse.api.error_table import ERRORS, UNKNOWN, Treatment, seconds_to_wait
from so_lakehouse.api.reply import Reply, read_reply, text_of
from so_lakehouse.api.transport import Received, Transport
from so_lakehouse.clock import Clock
from so_lakehouse.errors import Refused
from so_lakehouse.patience import Patience, Transient, retry_after
from so_lakehouse.settings import Settings

ANSWER_SECONDS = 120.0  # of one answer in all; the largest take a few
QUESTION_SECONDS = 900.0  # of one question with all its tries
# That a method is left alone after a throttle that names no time, such as one for a `backoff` that was not kept. The
# API's shortest ban is 30 s.
THROTTLED_SECONDS = 30.0


@dataclass(frozen=True)
class Page:
    """One answer: what was asked (never the key), when, and what came back. `text` is the body, unpacked, unchanged."""

    path: str
    parameters: dict[str, str]
    asked_at: datetime  # the page speaks of this moment, or a little later
    received: Received
    text: str
    reply: Reply

    @property
    def items(self) -> list[Any]:
        return self.reply.items

    @property
    def has_more(self) -> bool:
        return self.reply.has_more


# Looks at a page before it counts; raises `Transient` for one that cannot be an answer to its question.
Check = Callable[[Page], None]


class Client:
    """One API and one key. All its waiting, between tries too, is by `clock`."""

    def __init__(self, settings: Settings, clock: Clock, patience: Patience | None = None) -> None:
        patience = patience or Patience(deadline=QUESTION_SECONDS, sleep=clock.sleep, monotonic=clock.monotonic)
        self.address, self.clock, self.patience = settings.api, clock, patience
        self.budget = Budget.of(settings, clock)
        self._transport = Transport(
            settings.api,
            settings.api_key,
            settings.api_auth,
            patience.connect_timeout,
            patience.read_timeout,
            min(ANSWER_SECONDS, patience.deadline),
        )

    def ask(
        self, method: str, path: str, parameters: Mapping[str, Any], purpose: str, check: Check = lambda page: None
    ) -> Page:
        """The answer. `method` is the path without ids: backoff counts by it.

        Raises `NotNow` where nothing more may be asked for a while, `Unavailable` where the API does not answer,
        `Refused` where it refuses.
        """
        plain = {name: str(value) for name, value in sorted(parameters.items())}
        question = hashlib.sha256(json.dumps([path, plain]).encode()).hexdigest()

        def once() -> Page:
            self.budget.admit(method, question, purpose)
            asked_at = self.clock.now()
            received = self._transport.get(path, plain)
            try:
                text = text_of(received.body)
                reply = read_reply(text)
            except Transient as error:
                told = f"{self.address}{path} answered HTTP {received.status}; {error}."
                raise Transient(told, retry_after(received.headers.get("Retry-After", ""))) from None
            self.budget.settle(method, reply)
            if reply.error_id:
                self._refuse(method, path, reply)
            page = Page(path, plain, asked_at, received, text, reply)
            check(page)
            # Each reply tells what is left of the quota, so no two are the same, though both be empty.
            tells_apart = reply.quota_remaining is not None
            if not self.budget.answered(question, text if tells_apart else question):
                told = f"{self.address}{path} brought the answer to another question once more."
                raise Transient(told, SAME_QUESTION_SECONDS)
            return page

        return self.patience.until_answered(once)

    def _refuse(self, method: str, path: str, reply: Reply) -> None:
        """Raises what the error means."""
        error = ERRORS.get(reply.error_id, UNKNOWN)
        told = f"{self.address}{path} answered {reply.error_id} {error.name}: {reply.error_message!r}."
        if error.treatment is Treatment.FINAL:
            raise Refused(f"{told} {error.advice}")
        if error.treatment is Treatment.WAIT:
            seconds = seconds_to_wait(reply.error_message)
            if seconds is None:
                self.budget.hold(method, THROTTLED_SECONDS)
                raise Transient(told, THROTTLED_SECONDS)
            self.budget.hold_all(seconds)
            if seconds > LONGEST_WAIT:
                raise NotNow(told, self.clock.now() + timedelta(seconds=seconds))
            raise Transient(told, seconds)
        raise Transient(told)

"""The addresses of LAKEHOUSE_ALERTS, and sending to one of them; the only module that knows apprise.

An address holds tokens and passwords. Nothing here, and nothing that apprise logs, lets any of one out: people read its
place in the list and its scheme.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field

from so_lakehouse.alerts.incident import Message
from so_lakehouse.errors import BadInput
from so_lakehouse.settings import Settings

# Its warnings name hosts, paths and parts of tokens.
logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True)
class Address:
    """One address of the list, counted from 1. `digest` tells it apart without telling it."""

    number: int
    scheme: str
    digest: str
    url: str = field(repr=False)

    def __str__(self) -> str:
        return f"address {self.number} of LAKEHOUSE_ALERTS ({self.scheme})"

    def takes(self, message: Message) -> bool:
        """Sends a message; whether the service took it. Seconds: the services' own limits are 4 to 15 each."""
        import apprise  # half a second that loading definitions need not spend

        sender = apprise.Apprise()
        sender.add(self.url)
        for service in sender:
            if "overflow=" not in self.url:  # what is longer than the service takes would be refused for ever
                service.overflow_mode = apprise.OverflowMode.SPLIT
        kind = apprise.NotifyType.SUCCESS if message.good_news else apprise.NotifyType.FAILURE
        result = sender.notify(
            body=message.body, title=message.title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT
        )
        return result.status == apprise.AppriseResultStatus.SUCCESS


def addresses(settings: Settings) -> list[Address]:
    """All addresses, each once. Raises `BadInput` for one that no service of apprise understands."""
    urls = list(dict.fromkeys(settings.alerts.split()))
    return [_address(number, url) for number, url in enumerate(urls, 1)]


def _address(number: int, url: str) -> Address:
    import apprise

    if apprise.Apprise.instantiate(url, suppress_exceptions=True) is None:
        raise BadInput(
            f"Address {number} of LAKEHOUSE_ALERTS is none that apprise understands. Write it as docs/alerts.md says, "
            "with what is special in its passwords percent-encoded. Try it: apprise --title test --body test ADDRESS"
        )
    return Address(number, url.partition("://")[0], hashlib.sha256(url.encode()).hexdigest()[:16], url)

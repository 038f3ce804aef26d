"""Addresses of alerts: those that the documentation writes are some that can be sent to, and none tells its secrets."""

from __future__ import annotations

import re

import pytest

from so_lakehouse.alerts.addresses import addresses
from so_lakehouse.errors import BadInput
from so_lakehouse.settings import PROJECT_ROOT, Settings

PAGE = (PROJECT_ROOT / "docs" / "alerts.md").read_text("utf-8")
TABLE = re.search(r"^\| to \| address \|\n(.*?)\n\n", PAGE, re.MULTILINE | re.DOTALL)
# What a person puts in the place of each name in pointed brackets.
FILLED = {
    "TokenA": "T0000000A",
    "TokenB": "B0000000B",
    "TokenC": "c" * 24,
    "access key": "AN0ACCESS0KEY0000000",
    "secret key": "no%2Fsecret" * 4,
    "region": "us-east-2",
    "topic": "lake",
}


def documented() -> list[str]:
    assert TABLE is not None
    cells = [line.split("|")[2] for line in TABLE[1].splitlines() if "`" in line]
    found = [address for cell in cells for address in re.findall(r"`(\w+://[^`]+)`", cell)]
    return [re.sub(r"<([^>]+)>", lambda name: FILLED[name[1]], address) for address in found]


def test_every_address_that_the_page_writes_can_be_sent_to_and_hides_what_is_secret():
    written = documented()
    schemes = ["slack", "mailtos", "sns", "json", "jsons"]
    assert sorted(address.partition("://")[0] for address in written) == sorted(schemes)
    for number, address in enumerate(addresses(Settings(alerts=" ".join(written))), 1):
        assert str(address) == f"address {number} of LAKEHOUSE_ALERTS ({address.scheme})"
        assert not [
            secret for secret in (FILLED["TokenC"], FILLED["secret key"], "password") if secret in repr(address)
        ]


def test_one_address_named_twice_gets_a_message_once():
    assert len(addresses(Settings(alerts="json://127.0.0.1/a json://127.0.0.1/b json://127.0.0.1/a"))) == 2


@pytest.mark.parametrize("wrong", ["nothing://here", "slack://only-one-token", "example.org"])
def test_what_no_service_understands_is_named_by_its_place(wrong):
    with pytest.raises(BadInput, match="Address 2 of LAKEHOUSE_ALERTS"):
        addresses(Settings(alerts=f"json://127.0.0.1/a {wrong}"))

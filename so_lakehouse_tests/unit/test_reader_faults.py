"""Faults have one name each, in the code and on the page that explains them."""

from __future__ import annotations

import re

import pytest

from so_lakehouse.dumps.faults import REASONS, readable_key
from so_lakehouse.dumps.kernel import codes
from so_lakehouse.settings import PROJECT_ROOT

STATUSES = {"NEED_MORE", "FULL", "MARKUP"}


def test_every_code_of_the_kernel_has_its_reason() -> None:
    declared = {value for name, value in vars(codes).items() if name.isupper() and name not in STATUSES}
    assert set(REASONS) == declared
    assert len({reason for reason, _ in REASONS.values()}) == len(REASONS)


def test_every_reason_is_explained_on_the_readers_page() -> None:
    page = (PROJECT_ROOT / "docs" / "reader.md").read_text()
    section = page.partition("## Reasons in quarantine")[2].partition("\n## ")[0]
    explained = {name for row in re.findall(r"^\| (`.*?) \|", section, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert explained == {reason for reason, _ in REASONS.values()}


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (b'<row Id="5" Title="never closed />', 5),
        (b"<row Title='a' Id = '-1' Body=\"x", -1),
        (b'<row Id="9223372036854775807" x />', 2**63 - 1),
        (b'<row Id="9223372036854775808" x />', None),
        (b'<row Id="5', None),
        (b'<row Id="5"', None),
        (b'<row Id="5"6" />', None),
        (b'<row Title="a < b" Id="5" />', None),
        (b'<row Id="5" Id="5" />', None),
        (b'<row Id="five" />', None),
        (b'<row UserId="5" />', None),
        (b'row Id="5" />', None),
        (b'<row Id="5" Title="a <row Id="6" />', None),
        (b'<row Id="5" Title="a <rows" />', 5),
        (b"", None),
    ],
)
def test_a_key_is_read_without_a_guess_or_not_at_all(raw: bytes, key: int | None) -> None:
    assert readable_key(raw) == key

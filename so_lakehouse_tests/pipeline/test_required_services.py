"""Before a command begins hours of work, every address that it will need answers; doctor asks the same ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from so_lakehouse.cli.recorded import require_services
from so_lakehouse.doctor import examine
from so_lakehouse.errors import Unavailable
from so_lakehouse.settings import Settings

NOBODY = "postgresql://nobody@127.0.0.1:9/none"


def test_where_every_part_is_answered_nothing_is_said(warehouse: Settings) -> None:
    require_services(warehouse)
    assert [finding.fine for finding in examine(warehouse, ["Postgres"])] == [True]


@pytest.mark.parametrize("part", ["postgres", "postgres_dbt", "postgres_reader"])
def test_a_part_that_is_not_answered_is_named(warehouse: Settings, part: str) -> None:
    asked = replace(warehouse, **{part: NOBODY})
    with pytest.raises(Unavailable, match=f"or correct LAKEHOUSE_{part.upper()}\\."):
        require_services(asked)
    (finding,) = examine(asked, ["Postgres"])
    assert not finding.fine
    assert f"LAKEHOUSE_{part.upper()}." in finding.detail

"""What has been told is kept across restarts, for one look at a time, and holds nobody's address."""

from __future__ import annotations

import stat
from datetime import UTC, datetime

import pytest

from so_lakehouse.alerts.changes import Known
from so_lakehouse.alerts.incident import Incident, Kind, Message
from so_lakehouse.alerts.record import Letter, held
from so_lakehouse.alerts.runs import Failure
from so_lakehouse.errors import BadInput

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)


def test_everything_is_there_again_after_a_restart(tmp_path):
    incident = Incident(Kind.SITE_LATE, "silver", "beer", "why", "next", "beer", ("posts",), "http://page")
    with held(tmp_path / "new" / "alerts.json") as record:
        record.known = {incident.key: Known(incident, NOON, gone=NOON)}
        record.letters = [Letter(Message("a", "b", good_news=True), ["x", "y"])]
        record.failures = [Failure("run", "silver", "beer", NOON, frozenset({"silver/posts"}), "why", refused=True)]
        record.runs_read_to = NOON
        record.save()
    with held(tmp_path / "new" / "alerts.json") as again:
        assert again == record
    assert stat.S_IMODE((tmp_path / "new" / "alerts.json").stat().st_mode) == 0o600


def test_only_one_look_has_it_at_a_time(tmp_path):
    with held(tmp_path / "alerts.json") as first:
        assert first is not None
        with held(tmp_path / "alerts.json") as second:
            assert second is None
    with held(tmp_path / "alerts.json") as third:
        assert third is not None


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"known": [{"incident": {"kind": "new"}}]}'])
def test_a_file_that_cannot_be_read_is_refused_by_name_and_stays(tmp_path, content):
    file = tmp_path / "alerts.json"
    file.write_text(content)
    with pytest.raises(BadInput, match=r"alerts\.json.*Move it away"), held(file):
        pass
    assert file.read_text() == content

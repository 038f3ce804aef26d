"""A simulation is asked for simulated sites and the public API for real ones, and nobody waits for the other's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from so_lakehouse.alerts.watch import late_sites
from so_lakehouse.api.current import Standing
from so_lakehouse.api.source import not_served, stranger
from so_lakehouse.settings import Settings

REAL, SIMULATED = "beer", "simulated-brewing"
PUBLIC = Settings()
SIMULATION = Settings(api="http://127.0.0.1:9/2.3", simulated=True)
SOMEBODYS = Settings(api="http://127.0.0.1:9/2.3")


@pytest.mark.parametrize(
    ("settings", "refused"), [(PUBLIC, [SIMULATED]), (SIMULATION, [REAL]), (SOMEBODYS, [])], ids=str
)
def test_days_of_a_site_are_asked_for_where_they_are_served(settings, refused):
    assert [site for site in (REAL, SIMULATED) if not_served(site, settings)] == refused


def test_dumps_of_a_simulated_site_may_lie_in_any_mirror_and_a_simulation_has_no_real_ones():
    assert [stranger(site, PUBLIC) for site in (REAL, SIMULATED)] == ["", ""]
    assert "LAKEHOUSE_API=https://api.stackexchange.com/2.3 make dev" in stranger(REAL, SIMULATION)
    assert stranger(SIMULATED, SIMULATION) == ""


@pytest.mark.parametrize(("settings", "late"), [(PUBLIC, [REAL]), (SIMULATION, [SIMULATED])], ids=str)
def test_a_site_whose_days_come_from_elsewhere_is_not_late(settings, late):
    both = [
        Standing(site, datetime(2026, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)) for site in (REAL, SIMULATED)
    ]
    found = late_sites(both, datetime(2026, 2, 1, tzinfo=UTC), settings)
    assert [incident.site for incident in found] == late

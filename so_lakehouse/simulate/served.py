"""A simulation behind the API, with a clock and faults that a command moves: `so-lakehouse simulate serve`, the demo.

Belongs here: the server's own page, `/simulation`. Not here: the API (`api_server.py`), the faults (`faults.py`).
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from so_lakehouse.clock import Clock
from so_lakehouse.errors import BadInput
from so_lakehouse.simulate.api_server import ApiHandler, ApiServer
from so_lakehouse.simulate.faults import FAULTS, NO_FAULT
from so_lakehouse.simulate.living_site import LivingSite
from so_lakehouse.simulate.simulation import Simulation

KEY = "simulated"
PAGE = "/simulation"


class SimulationServer(ApiServer):
    """`sites` are the simulation's, and live on as the clock passes days. `lakehouse_now`: the clock, as the setting
    LAKEHOUSE_NOW spells it; the same text gives its reader the same moment at any time."""

    sites: dict[str, LivingSite]  # type: ignore[assignment]

    def __init__(self, simulation: Simulation, lakehouse_now: str, port: int = 0) -> None:
        self._clock, self.lakehouse_now = Clock(lakehouse_now), lakehouse_now
        super().__init__(lambda: self._clock.now().timestamp(), port, _Handler)
        self.keys = {KEY}
        self.sites = {site: LivingSite(simulation.found(site)) for site in simulation.sites}

    @property
    def settings(self) -> dict[str, str]:
        """The variables of whoever shall ask this server."""
        return {
            "LAKEHOUSE_API": self.address,
            "LAKEHOUSE_API_KEY": KEY,
            "LAKEHOUSE_NOW": self.lakehouse_now,
            "LAKEHOUSE_SIMULATED": "true",
        }

    @property
    def page(self) -> str:
        """Address of the page that tells how the simulation stands and takes commands."""
        return f"http://127.0.0.1:{self.server_port}{PAGE}"

    def set_clock(self, lakehouse_now: str) -> None:
        """Another moment, from which the clock runs on. What the sites have lived they do not take back."""
        clock = Clock(lakehouse_now)
        yesterday = clock.now().date() - timedelta(days=1)
        ahead = [name for name, site in self.sites.items() if site.today > yesterday]
        if ahead:
            today = self.sites[ahead[0]].today
            raise BadInput(f"{ahead[0]} has lived {today} already; no clock goes back before its end.")
        self._clock, self.lakehouse_now = clock, lakehouse_now

    def live_a_day(self) -> None:
        """A day passes at every site, whatever the clock says."""
        for site in self.sites.values():
            site.reach(self.now())
            site.live_until(site.today + timedelta(days=1))

    def asked_for(self, words: dict[str, list[str]]) -> dict[str, Any]:
        """Does what a form says (`now`, `fault`) and tells how the simulation stands; raises `BadInput`."""
        unknown = [name for name in words.get("fault", ()) if name not in FAULTS and name != NO_FAULT]
        if unknown or words.keys() - {"now", "fault"}:
            names = ", ".join([*FAULTS, NO_FAULT])
            raise BadInput(f"Send now=2026-01-15T06:00:00 or fault=NAME, where NAME is one of {names}.")
        for moment in words.get("now", ()):
            self.set_clock(from_now_on(moment))
        for name in words.get("fault", ()):
            self.faults = [] if name == NO_FAULT else [*self.faults, *FAULTS[name].faults(self)]
        return {
            "LAKEHOUSE_NOW": self.lakehouse_now,
            "sites": {name: f"as of the end of {site.today}" for name, site in self.sites.items()},
            "questions": len(self.requests),
            "quota_used": self.used(KEY),
            "violations": self.violations,
            "faults_to_come": len(self.faults),
        }


def from_now_on(moment: str) -> str:
    """The moment (ISO) as a value of LAKEHOUSE_NOW that means it now and runs on in all processes alike."""
    return f"{moment}@{datetime.now(UTC).isoformat(timespec='milliseconds')}"


def morning_after(day: date) -> str:
    """Six o'clock of the next day, when that day has closed."""
    return datetime.combine(day + timedelta(days=1), time(6)).isoformat()


class _Handler(ApiHandler):
    server: SimulationServer

    def do_GET(self) -> None:  # noqa: N802 - the base class' name
        if urlsplit(self.path).path == PAGE:
            self._steer({})
        else:
            super().do_GET()

    def do_POST(self) -> None:  # noqa: N802 - the base class' name
        form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if urlsplit(self.path).path == PAGE:
            self._steer(parse_qs(form, keep_blank_values=True))
        else:
            self.send_error(404, f"Only {PAGE} takes a form.")

    def _steer(self, words: dict[str, list[str]]) -> None:
        try:
            with self.server.lock:
                status, told = 200, self.server.asked_for(words)
        except BadInput as error:
            status, told = 400, {"error": str(error)}
        body = json.dumps(told, indent=1).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

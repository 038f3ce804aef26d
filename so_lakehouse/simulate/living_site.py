"""A simulated site that lives on behind the API: at each moment it serves what had happened by the last midnight.

Belongs here: the passing of days. Not here: what they bring (`community.py`), how a row is told (`api_rows.py`).

Days pass whole, because a community lives them whole, and a day's window is asked for after it has closed. So the rows
served on the day after a cut are those of the cut's dump.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from so_lakehouse.simulate.api_rows import items_of
from so_lakehouse.simulate.api_site import ApiSite
from so_lakehouse.simulate.community import Community
from so_lakehouse.simulate.snapshot import rows_at
from so_lakehouse.simulate.world import World

PROFILE = "profile"  # the deed of changing one's profile


class LivingSite(ApiSite):
    """Serves a community on the eve of its launch, and whatever becomes of it."""

    def __init__(self, community: Community) -> None:
        super().__init__()
        self._community = community
        self._profiles: dict[int, int] = {}  # account → how often its profile had been changed when last looked at
        self._modified: dict[int, datetime] = {}

    @property
    def today(self) -> date:
        """The last day that is served."""
        return self._community.today

    @property
    def accounts(self) -> set[int]:
        """Ids of the people who are on the site."""
        return {key for key in self._community.world.people if key > 0}

    def reach(self, now: float) -> None:
        self.live_until((datetime.fromtimestamp(now, UTC) - timedelta(days=1)).date())

    def live_until(self, day: date) -> None:
        """Serves the end of that day; one that is over already changes nothing, for a community never goes back."""
        if day <= self.today:
            return
        while self.today < day:
            self._note_changes(self._community.live_until(self.today + timedelta(days=1)))
        items = items_of(rows_at(self._community.world, day), self._modified)
        self.rows = {entity: {} for entity in items}
        for entity, found in items.items():
            self.put(entity, found)

    def _note_changes(self, world: World) -> None:
        """When a profile was changed is not part of the world: on the day on which the count of its changes grew, and
        there at the last moment at which the person was seen."""
        for person in world.people.values():
            changes = person.deeds[PROFILE]
            if changes != self._profiles.setdefault(person.id, changes):
                self._profiles[person.id] = changes
                self._modified[person.id] = person.seen

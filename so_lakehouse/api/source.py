"""Whether a site is to be had from where the settings point: real sites and simulated ones have different sources.

Belongs here: telling that two do not belong together, before one is asked for the other. Not here: asking.
"""

from __future__ import annotations

from so_lakehouse.dumps.sites import find
from so_lakehouse.settings import Settings


def stranger(site: str, settings: Settings) -> str:
    """Why a simulation is not asked for this site: it is a real one. A sentence for people; empty where it may be."""
    if not settings.simulated or find(site).is_simulated:
        return ""
    return (
        f"{site} is a real site, and data comes from a simulation here (LAKEHOUSE_SIMULATED). Keep real sites in a "
        f"lakehouse of their own (another LAKEHOUSE_HOME), or start with real sources: LAKEHOUSE_API={Settings.api} "
        "make dev, in a shell without the simulation's variables; the simulated sites then wait."
    )


def not_served(site: str, settings: Settings) -> str:
    """Why the API that is set is not asked for this site, also the other way round; empty where it may be."""
    if settings.asks_the_public_api and find(site).is_simulated:
        return (
            f"{site} is a simulated site, which {settings.api} does not know. Its days come from make dev after a "
            "demo, or from so-lakehouse simulate serve, with the variables that it prints."
        )
    return stranger(site, settings)


def late_after(site: str, settings: Settings) -> int:
    """Hours after which the site is late; 0, never, where its days come from elsewhere and wait for that."""
    return 0 if not_served(site, settings) else settings.late_after

"""Where dumps and days come from, and how much of it is taken."""

from __future__ import annotations

from dataclasses import dataclass

from so_lakehouse.settings.entry import setting


@dataclass(frozen=True)
class SourceSettings:
    """Where dumps and days come from, and how much of it is taken."""

    mirror: str = setting("LAKEHOUSE_MIRROR", "", "Folder or web address of dumps; default archive.org.")
    archive_org: str = setting(
        "LAKEHOUSE_ARCHIVE_ORG", "https://archive.org", "Address of archive.org, or of one that answers as it does."
    )
    api: str = setting(
        "LAKEHOUSE_API", "https://api.stackexchange.com/2.3", "Address of the Stack Exchange API, or of one like it."
    )
    api_key: str = setting(
        "LAKEHOUSE_API_KEY",
        "",
        "Key of the API (10,000 requests a day); without one, 300 requests a day.",
        secret=True,
    )
    simulated: bool = setting(
        "LAKEHOUSE_SIMULATED",
        False,
        "Whether the mirror and the API are a simulation, which is then asked for simulated sites alone.",
    )
    api_auth: str = setting(
        "LAKEHOUSE_API_AUTH", "header", "How the key is sent: `header` (Authorization: Bearer) or `query` (?key=)."
    )
    api_budget_file: str = setting(
        "LAKEHOUSE_API_BUDGET",
        "",
        "File in which runs share what the API's quota has left. Default: of the public API one for all of a user's "
        "lakehouses, `so_lakehouse/api.sqlite` in XDG_STATE_HOME or `~/.local/state`; of another, `api.sqlite` in "
        "LAKEHOUSE_HOME.",
    )
    api_start: str = setting(
        "LAKEHOUSE_API_START",
        "2026-01-01",
        "First day that is asked of the API, for all sites; not to be changed once used.",
    )
    api_reserve: int = setting(
        "LAKEHOUSE_API_RESERVE", 5, "Per cent of the API's quota that are left to others on this machine's address."
    )
    api_sweep: int = setting(
        "LAKEHOUSE_API_SWEEP", 20, "Per cent of the API's quota that the sweep for deleted rows may use; 0: no sweep."
    )
    api_reask: int = setting(
        "LAKEHOUSE_API_REASK", 20, "Per cent of the API's quota that asking young posts again may use; 0: not at all."
    )
    max_unpacked_bytes: int = setting(
        "LAKEHOUSE_MAX_UNPACKED", 400_000_000_000, "Largest unpacked size of one archive member, in bytes."
    )
    max_unpack_ratio: int = setting(
        "LAKEHOUSE_MAX_RATIO", 1_000, "Largest ratio of unpacked to packed bytes of an archive (a bomb's guard)."
    )
    unpack_threads: int = setting("LAKEHOUSE_UNPACK_THREADS", 0, "Threads of one 7zz process; 0 lets it choose.")

    @property
    def asks_the_public_api(self) -> bool:
        """Whether the API is the one whose requests everybody behind this machine's address shares."""
        return self.api == type(self).api

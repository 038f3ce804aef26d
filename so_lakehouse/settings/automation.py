"""What starts by itself and when, and who is told."""

from __future__ import annotations

from dataclasses import dataclass

from so_lakehouse.settings.entry import setting


@dataclass(frozen=True)
class AutomationSettings:
    """What starts by itself and when, and who is told."""

    sites: str = setting(
        "LAKEHOUSE_SITES",
        "",
        "Sites to keep current by themselves, as `beer ai`, besides those that were run once.",
    )
    max_download_bytes: int = setting(
        "LAKEHOUSE_MAX_DOWNLOAD",
        1_000_000_000,
        "Bytes of the largest dump that is landed unasked; larger ones wait for so-lakehouse run.",
    )
    look_seconds: int = setting("LAKEHOUSE_LOOK_SECONDS", 60, "Seconds after which a sensor looks again what is due.")
    look_at_days_seconds: int = setting(
        "LAKEHOUSE_LOOK_AT_DAYS_SECONDS",
        600,
        "The same of the sensor that fetches days, which looks at the most files.",
    )
    releases_seconds: int = setting(
        "LAKEHOUSE_RELEASES_SECONDS", 3600, "Seconds after which the mirror is asked again for new releases."
    )
    retry_seconds: int = setting(
        "LAKEHOUSE_RETRY_SECONDS",
        21_600,
        "Seconds after which a dump or a day that could not be fetched is tried again, though nothing has changed.",
    )
    quiet_seconds: int = setting(
        "LAKEHOUSE_QUIET_SECONDS", 300, "Seconds without a run that feeds the marts, after which they are built."
    )
    wave_seconds: int = setting(
        "LAKEHOUSE_WAVE_SECONDS", 3600, "Seconds after a first change at which the marts are built, quiet or not."
    )
    now: str = setting(
        "LAKEHOUSE_NOW",
        "",
        "Moment (ISO, UTC) at which the clock begins that closes days, in each process anew or, as moment@machine's "
        "moment, for all; default: the machine's clock.",
    )
    alerts: str = setting(
        "LAKEHOUSE_ALERTS",
        "",
        "Addresses that are told of what goes wrong, with spaces between them, as apprise spells them: "
        "slack://…, mailtos://…, sns://…, jsons://… (docs/alerts.md); default none.",
        secret=True,  # tokens and passwords are parts of addresses
    )
    late_after: int = setting(
        "LAKEHOUSE_LATE_AFTER",
        26,
        "Hours after the end of the newest day that silver holds of a site at which the site is late, where days of it "
        "are asked for; 0: never.",
    )
    dagster_page: str = setting(
        "LAKEHOUSE_DAGSTER_PAGE", "http://127.0.0.1:3000", "Address of Dagster's web page, for links in alerts."
    )

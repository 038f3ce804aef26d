"""The sites of the network: what each is called in the lake, in dumps, on the web and in the API.

Belongs here: names and what is known about them (`sites.csv`). Does not belong here: which archives a mirror has.

`sites.csv` has one row per site, main or meta:
* `key`: the name in the lake, the host of its archives without the suffix (`beer`, `beer.meta`, `ru.stackoverflow`).
  The site's oldest lasting name, because a key must never change; so `avp` and not `video`. One exception:
  `meta.stackexchange`, because `meta` alone says nothing.
* `api`: the parameter `site` of the API; empty where the API no longer knows the site.
* `launched`: day on which the site left its beta; empty where it had not by mid-2015, where our source ends, and for
  metas, for which the API tells none. Posts from the beta are older, so this is no lower bound for dates of posts.
* `archives`: the hosts with their periods, newest first: a dump is named by the host of its time. `host@from..until`
  where a host was used in a part of the time only. The ends are inclusive and as exact as they are known (`2017`,
  `2014-04-16`).
* `hosts`: every host on the web that leads to the site or did, today's first. Without periods: none is known of an
  alias, and a name leads to its key whenever it was used.

Sources: the API's list of sites as of mid-2015 (launch dates) and of 2024 (hosts, parameters); the names of the
archives of 2025-12-31, which the publisher confirmed with their checksums (Meta Stack Exchange 416720), and of
2017-06-13 on archive.org.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

from so_lakehouse.errors import BadInput

NETWORK = ".stackexchange.com"
SIMULATED = "simulated-"  # with which the keys of simulated sites begin, and no others
HOST = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")


@dataclass(frozen=True)
class NamedPeriod:
    """A host that names the archive from `since` until `until`: inclusive ISO dates, whole or cut short, or empty."""

    host: str
    since: str = ""
    until: str = ""

    def covers(self, day: date) -> bool:
        iso = day.isoformat()
        return iso[: len(self.since)] >= self.since and (not self.until or iso[: len(self.until)] <= self.until)


@dataclass(frozen=True)
class Site:
    """One site. `known` is False for a key that `sites.csv` lacks and whose names follow from the convention."""

    key: str
    api: str
    launched: date | None
    archives: tuple[NamedPeriod, ...]
    hosts: tuple[str, ...]
    known: bool = True

    @property
    def host(self) -> str:
        """Where the site is on the web today."""
        return self.hosts[0]

    @property
    def is_simulated(self) -> bool:
        return self.key.startswith(SIMULATED)

    def archive_hosts(self, cut: date) -> tuple[str, ...]:
        """Hosts that may name this site's archive in a release cut on that day, the likeliest first.

        Names of the period come first, then the site's other names (publishers keep old names for years), but never a
        name that meant another site on that day.
        """
        named = [name.host for name in self.archives if name.covers(cut)]
        others = [name.host for name in self.archives if not name.covers(cut)]
        candidates = dict.fromkeys([*named, *others, *self.hosts])
        taken = _names_of_period(cut)
        return tuple(host for host in candidates if taken.get(host, self.key) == self.key)


def all_sites() -> tuple[Site, ...]:
    """Every known site, by key."""
    return tuple(_table().values())


def find(name: str) -> Site:
    """The site of that key, host or API parameter, e.g. `beer`, `https://beer.stackexchange.com`, `alcohol`.

    A name that is not known is taken for a key and gets the host `<key>.stackexchange.com`, or for a host where it
    ends in a domain; a mirror may have a site that is newer than this list. Raises `BadInput` where it cannot be a
    name of a site.
    """
    text = re.sub(r"^https?://", "", name.strip().lower()).split("/")[0].removesuffix(".7z")
    if not HOST.fullmatch(text):
        raise BadInput(f"{name!r} is not the name of a site. Write a key as beer or ru.stackoverflow, or a host.")
    for candidate in (text, f"{text}{NETWORK}", f"{text}.com"):
        key = _index().get(candidate)
        if key:
            return _table()[key]
    host = text if text.endswith((".com", ".net", ".org")) else f"{text}{NETWORK}"
    return Site(key_of_host(host), text.removesuffix(NETWORK), None, (NamedPeriod(host),), (host,), known=False)


def key_of_host(host: str) -> str:
    """The key that a host gets: without `.stackexchange.com` or `.com` (`mathoverflow.net` stays as it is)."""
    short = host.removesuffix(NETWORK)
    return host.removesuffix(".com") if short in {host, "meta"} else short


@cache
def _table() -> dict[str, Site]:
    text = files("so_lakehouse.dumps").joinpath("sites.csv").read_text("utf-8")
    return {row["key"]: _site(row) for row in csv.DictReader(text.splitlines())}


def _site(row: dict[str, str]) -> Site:
    launched = date.fromisoformat(row["launched"]) if row["launched"] else None
    archives = tuple(_named_period(text) for text in row["archives"].split())
    return Site(row["key"], row["api"], launched, archives, tuple(row["hosts"].split()))


def _named_period(text: str) -> NamedPeriod:
    host, _, period = text.partition("@")
    since, _, until = period.partition("..")
    return NamedPeriod(host, since, until)


@cache
def _index() -> dict[str, str]:
    """Any name to its key. A key wins over a parameter, a parameter over a host, today's host over an older one."""
    index: dict[str, str] = {}
    for site in _table().values():
        index.setdefault(site.key, site.key)
    for site in _table().values():
        if site.api:
            index.setdefault(site.api, site.key)
    for site in _table().values():
        index.setdefault(site.host, site.key)
    for site in _table().values():
        for host in (*site.hosts, *(name.host for name in site.archives)):
            index.setdefault(host, site.key)
    return index


@cache
def _names_of_period(cut: date) -> dict[str, str]:
    """Host to key of the archives that a release cut on that day would have by the table."""
    return {name.host: site.key for site in _table().values() for name in site.archives if name.covers(cut)}

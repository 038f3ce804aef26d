"""A site has one key, whatever a user, a dump or the API calls it."""

from __future__ import annotations

from datetime import date

import pytest

from so_lakehouse.dumps import sites
from so_lakehouse.errors import BadInput


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("beer", "beer"),
        ("alcohol", "beer"),  # the API's parameter since the site was renamed
        ("https://alcohol.stackexchange.com/questions/1", "beer"),
        ("beer.stackexchange.com", "beer"),
        ("BEER ", "beer"),
        ("avp.meta", "avp.meta"),
        ("meta.avp.stackexchange.com", "avp.meta"),
        ("meta.avp.stackexchange.com.7z", "avp.meta"),
        ("video.meta", "avp.meta"),
        ("meta.beer", "beer.meta"),  # the API's parameter until 2016
        ("stackoverflow", "stackoverflow"),
        ("stackoverflow.com", "stackoverflow"),
        ("ru.stackoverflow.com", "ru.stackoverflow"),
        ("hashcode.ru", "ru.stackoverflow"),
        ("mathoverflow.net", "mathoverflow.net"),
        ("mathoverflow", "mathoverflow.net"),
        ("meta", "meta.stackexchange"),
        ("meta.stackexchange.com", "meta.stackexchange"),
        ("meta.stackoverflow", "meta.stackoverflow"),
        ("programmers", "softwareengineering"),
        ("cogsci", "cogsci"),
        ("psychology", "cogsci"),
    ],
)
def test_every_name_of_a_site_leads_to_its_key(name: str, key: str):
    found = sites.find(name)
    assert (found.key, found.known) == (key, True)


@pytest.mark.parametrize(
    ("name", "key", "host"),
    [
        ("simulated-brewing", "simulated-brewing", "simulated-brewing.stackexchange.com"),
        ("newsite.meta", "newsite.meta", "newsite.meta.stackexchange.com"),
        ("zz.stackoverflow.com", "zz.stackoverflow", "zz.stackoverflow.com"),
        ("example.net", "example.net", "example.net"),
    ],
)
def test_a_site_that_is_not_listed_follows_the_convention(name: str, key: str, host: str):
    found = sites.find(name)
    assert (found.key, found.host, found.known) == (key, host, False)
    assert found.archive_hosts(date(2026, 1, 1)) == (host,)


@pytest.mark.parametrize("name", ["", "be er", "../beer", "beer;drop", "*", "béer"])
def test_what_cannot_be_a_site_is_refused(name: str):
    with pytest.raises(BadInput, match="is not the name of a site"):
        sites.find(name)


def test_the_archive_of_a_child_meta_changed_its_name_in_2017():
    names = sites.find("avp.meta").archive_hosts
    assert names(date(2014, 9, 14))[0] == "meta.avp.stackexchange.com"
    assert names(date(2022, 6, 5))[0] == "avp.meta.stackexchange.com"
    assert set(names(date(2014, 9, 14))) == set(names(date(2022, 6, 5))), "the other name is still tried"


def test_a_name_is_never_tried_while_it_meant_another_site():
    """Until 2014-04-15, meta.stackoverflow.com was the meta of the whole network."""
    before, after = date(2014, 1, 13), date(2014, 9, 14)
    assert sites.find("meta.stackexchange").archive_hosts(before)[0] == "meta.stackoverflow.com"
    assert sites.find("meta.stackoverflow").archive_hosts(before) == ()
    assert sites.find("meta.stackexchange").archive_hosts(after) == ("meta.stackexchange.com",)
    assert sites.find("meta.stackoverflow").archive_hosts(after) == ("meta.stackoverflow.com",)


def test_the_list_holds_the_network_of_the_last_checked_release():
    """The release of 2025-12-31 has 362 archives; 10 more sites had closed or never were in a dump."""
    archived = [site for site in sites.all_sites() if any(name.covers(date(2025, 12, 31)) for name in site.archives)]
    assert len([site for site in archived if site.api]) == 362
    assert len(sites.all_sites()) == 372


def test_the_list_contradicts_itself_nowhere():
    keys = [site.key for site in sites.all_sites()]
    assert keys == sorted(set(keys))
    current: dict[str, str] = {}
    for site in sites.all_sites():
        assert site.hosts, site.key
        assert sites.HOST.fullmatch(site.key)
        assert current.setdefault(site.host, site.key) == site.key, "two sites have one host"
        assert sites.find(site.key) == site
        assert sites.find(site.host) == site
        assert not site.api or sites.find(site.api) == site
        assert not site.archives or sites.key_of_host(site.archives[0].host) == site.key


def test_a_name_of_one_day_belongs_to_one_site():
    for day in (date(2012, 1, 1), date(2014, 9, 14), date(2016, 12, 11), date(2017, 6, 11), date(2025, 12, 31)):
        owners: dict[str, str] = {}
        for site in sites.all_sites():
            for name in site.archives:
                if name.covers(day):
                    assert owners.setdefault(name.host, site.key) == site.key


def test_launch_dates_are_those_of_the_network_and_absent_where_unknown():
    assert sites.find("stackoverflow").launched == date(2008, 9, 15)
    assert sites.find("mathoverflow.net").launched == date(2009, 9, 28)
    assert sites.find("beer").launched is None
    assert all(date(2008, 9, 15) <= site.launched < date(2015, 7, 1) for site in sites.all_sites() if site.launched)


@pytest.mark.parametrize(
    ("since", "until", "day", "inside"),
    [
        ("2017", "", date(2017, 1, 1), True),
        ("2017", "", date(2016, 12, 31), False),
        ("", "2017", date(2017, 12, 31), True),
        ("", "2017", date(2018, 1, 1), False),
        ("2014-04-16", "", date(2014, 4, 15), False),
        ("", "", date(1999, 1, 1), True),
    ],
)
def test_a_period_includes_both_ends_as_exactly_as_they_are_written(since: str, until: str, day: date, inside: bool):
    assert sites.NamedPeriod("host", since, until).covers(day) is inside

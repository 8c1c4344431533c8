"""Fleets of two sites and a cloud with lines between them, and services that load lines."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from springtide.model.fleet import Fleet, Link, LinkWindow, Site
from springtide.model.identifiers import SiteName
from springtide.model.workloads import Service
from tests.planning.strategies import fleets, services_of

MEGA = 10**6
HOME, FAR, AWAY = SiteName("home"), SiteName("far"), SiteName("away")

windows = st.sampled_from(
    [
        (),
        (),
        (LinkWindow("* * * * *", 10, 10 * MEGA),),
        (LinkWindow("* * * * *", 30, 1000 * MEGA),),
        (LinkWindow("0 12 * * *", 7, 0), LinkWindow("not cron", 60, 1)),
    ]
)
"""Wider or narrower for some seconds of every minute, or closed for the first seconds of a history."""


def links_between(one: SiteName, other: SiteName) -> st.SearchStrategy[Link]:
    return st.builds(
        Link,
        sites=st.just((one, other)),
        bits_per_second=st.sampled_from([0, 20, 50, 100, 500]).map(lambda mega: mega * MEGA),
        latency_seconds=st.sampled_from([0.0, 0.001, 0.01]),
        windows=windows,
        pull_bits_per_second=st.sampled_from([0, 0, 15, 600]).map(lambda mega: mega * MEGA),
    )


@st.composite
def lined_fleets(draw: st.DrawFn) -> Fleet:
    """The same fleets with some pools at a second site, and lines between some of the three."""
    fleet = draw(fleets())
    sites = st.sampled_from([HOME, HOME, FAR])
    pools = tuple(each if each.is_elastic else replace(each, site=draw(sites)) for each in fleet.pools)
    pairs = draw(st.lists(st.sampled_from([(HOME, AWAY), (HOME, FAR), (AWAY, FAR)]), min_size=1, unique=True))
    links = tuple(draw(links_between(*pair)) for pair in pairs)
    return replace(fleet, sites=(*fleet.sites, Site(FAR)), pools=pools, links=links)


@st.composite
def lined_services_of(draw: st.DrawFn, fleet: Fleet) -> tuple[Service, ...]:
    """The same services, some of which load lines."""
    loads = st.sampled_from([0, 0, 5, 10, 40]).map(lambda mega: mega * MEGA)
    return tuple(replace(each, line_load_bits_per_second=draw(loads)) for each in draw(services_of(fleet)))

"""Every contradiction that a fleet file can hold is refused at its line, with figures and a remedy."""

from __future__ import annotations

import pytest

from springtide.formats.fleet import parse_fleet
from springtide.model.errors import FleetFileError
from tests.formats.fleet_refusals import Refusal, check_refusal

FLEET = """\
sites: {home: {}, cloudtown: {cloud: true}}
teams:
  feed: {}
  redpacket: {}
pools:
  feed:
    site: home
    team: feed
    slices: {count: 2, cpus: 0.2, memory: 256M}
    contribution: 25%
    lending_limit: {cpus: 0.1}
  burst:
    cloud: rented
    max_nodes: 6
clouds:
  rented:
    kind: slices
    site: cloudtown
    offers:
      small: {cpus: 0.1, memory: 128M, price: 0.36/h, billing_period: 10s}
reclaim: {notice: 8s, grace: 2s}
scaling: {period: 0.5s}
budgets:
  - {period: hour, limit: 2.50}
defaults: {cpus: 0.1}
"""

REFUSALS = {
    "an unknown key": ("reclaim:", "reclame:", 21, "reclame", "isn't known here", "'reclaim'"),
    "an unknown key of a pool": ("max_nodes", "max_node", 14, "pools.burst.max_node", "isn't known", "'max_nodes'"),
    "an unknown team": ("team: feed", "team: feeds", 8, "pools.feed.team", "under `teams` (line 2)", "'feed'"),
    "an unknown site": ("site: home", "site: hone", 7, "pools.feed.site", "under `sites` (line 1)", "'home'"),
    "an unknown cloud": ("cloud: rented", "cloud: rentd", 13, "pools.burst.cloud", "`clouds` (line 15)", "'rented'"),
    "a cloud at a site of one's own": (
        "site: cloudtown",
        "site: home",
        18,
        "clouds.rented.site",
        "which line 1 doesn't mark",
        "`home: {cloud: true}`",
    ),
    "a rented pool away from its cloud": (
        "max_nodes: 6",
        "max_nodes: 6\n    site: home",
        15,
        "pools.burst.site",
        "its cloud 'rented' (line 17) stands at 'cloudtown'",
        "Leave `site` out",
    ),
    "more lent than owned apart from the contribution": (
        "{cpus: 0.1}\n  b",
        "{cpus: 0.4}\n  b",
        11,
        "pools.feed.lending_limit.cpus",
        "owns 400m cpu (line 9) and contributes 25% (line 10), which leaves 300m cpu",
        "Lower the limit",
    ),
    "lending of what the pool hasn't": (
        "{cpus: 0.1}\n  b",
        "{resources: {gpu: 1}}\n  b",
        11,
        "pools.feed.lending_limit.resources.gpu",
        "owns nothing of it (line 9)",
        "Lower the limit",
    ),
    "a contribution above the whole": ("25%", "125%", 10, "pools.feed.contribution", "contribute 125%", "at most 100%"),
    "a contribution in fractions": ("25%", "2.5%", 10, "pools.feed.contribution", "'2.5%'", "whole percentage"),
    "a negative contribution": ("25%", "-5", 10, "pools.feed.contribution", "-5 is less than 0", ""),
    "a slice without processors": ("cpus: 0.2", "cpus: 0", 9, "pools.feed.slices.cpus", "more than 0", ""),
    "a negative amount": ("cpus: 0.2", "cpus: -1", 9, "pools.feed.slices.cpus", "-1 is less than 0", ""),
    "a negative amount as text": ("256M", "-256M", 9, "pools.feed.slices.memory", "'-256M'", "256M, 1.5GiB"),
    "processors finer than a thousandth": ("cpus: 0.2", "cpus: 0.0002", 9, "pools.feed.slices.cpus", "finer than", ""),
    "no slices at all": ("count: 2", "count: 0", 9, "pools.feed.slices.count", "0 is less than 1", ""),
    "a kind with a key of its own under resources": (
        "memory: 256M",
        "memory: 256M, resources: {pids: 5}",
        9,
        "pools.feed.slices.resources.pids",
        "a key of its own",
        "`cpus`, `memory` or `pids`",
    ),
    "a negative notice": ("notice: 8s", "notice: -8", 21, "reclaim.notice", "-8 is less than 0", ""),
    "a negative grace": ("grace: 2s", "grace: -2s", 21, "reclaim.grace", "'-2s'", "30s"),
    "a planning period of nought": ("period: 0.5s", "period: 0", 22, "scaling.period", "more than 0s", "500ms"),
    "an endless time": ("period: 0.5s", "period: .inf", 22, "scaling.period", "isn't a duration", ""),
    "a rented pool with a team": (
        "max_nodes: 6",
        "max_nodes: 6\n    team: feed",
        15,
        "pools.burst.team",
        "line 13 says `cloud`",
        "Leave `team` out",
    ),
    "a rented pool with slices": (
        "max_nodes: 6",
        "max_nodes: 6\n    slices: {cpus: 1, memory: 1G}",
        15,
        "pools.burst.slices",
        "line 13 says `cloud`",
        "two pools",
    ),
    "a rented pool that lends": (
        "max_nodes: 6",
        "max_nodes: 6\n    contribution: 5%",
        15,
        "pools.burst.contribution",
        "line 13 says `cloud`",
        "Leave `contribution` out",
    ),
    "a rented pool without a bound": ("    max_nodes: 6\n", "", 12, "pools.burst", "how much it may rent", "max_nodes"),
    "slices with a bound on renting": (
        "contribution: 25%",
        "max_nodes: 2",
        10,
        "pools.feed.max_nodes",
        "line 9 says `slices`",
        "count",
    ),
    "a pool without any nodes": (
        "    cloud: rented\n    max_nodes: 6",
        "    site: home",
        12,
        "pools.burst",
        "no way",
        "`slices:`",
    ),
    "a company's pool that contributes": (
        "    team: feed\n",
        "",
        9,
        "pools.feed.contribution",
        "'feed' (line 6) has no team",
        "add `team:`",
    ),
    "an offer without a price": (
        ", price: 0.36/h",
        "",
        20,
        "clouds.rented.offers.small",
        "'price' is missing",
        "`price:`",
    ),
    "a price per minute": ("0.36/h", "0.36/m", 20, "clouds.rented.offers.small.price", "'0.36/m'", "per hour"),
    "a billing period of half a second": (
        "billing_period: 10s",
        "billing_period: 0.5s",
        20,
        "clouds.rented.offers.small.billing_period",
        "not 0.5s",
        "60s",
    ),
    "a cloud without offers": (
        "    offers:\n      small: {cpus: 0.1, memory: 128M, price: 0.36/h, billing_period: 10s}",
        "    offers: {}",
        19,
        "clouds.rented.offers",
        "empty",
        "at least one",
    ),
    "an unknown kind of cloud": ("kind: slices", "kind: slice", 17, "clouds.rented.kind", "'slice'", "'slices'"),
    "an unknown budget period": (
        "period: hour",
        "period: hours",
        24,
        "budgets[0].period",
        "hour, day, month",
        "'hour'",
    ),
    "two budgets for one period": (
        "  - {period: hour, limit: 2.50}",
        "  - {period: hour, limit: 2.50}\n  - {period: hour, limit: 3}",
        25,
        "budgets[1]",
        "already, on line 24",
        "Keep one",
    ),
    "a negative budget": ("limit: 2.50", "limit: -1", 24, "budgets[0].limit", "-1 is less than 0", ""),
    "a default of nought": ("defaults: {cpus: 0.1}", "defaults: {cpus: 0}", 25, "defaults.cpus", "more than 0", ""),
    "two pools of one name": ("  burst:", "  feed:", 12, "pools.feed", "first is on line 6", "Keep one"),
    "a name with capitals": (
        "  redpacket: {}",
        "  Redpacket: {}",
        4,
        "teams.Redpacket",
        "'Redpacket'",
        "small letters",
    ),
    "a list where a mapping is wanted": (
        "defaults: {cpus: 0.1}",
        "defaults: [cpus]",
        25,
        "defaults",
        "a mapping (`key: value` lines), not a list",
        "",
    ),
    "a weight of nought": (
        "  redpacket: {}",
        "  redpacket: {weight: 0}",
        4,
        "teams.redpacket.weight",
        "less than 1",
        "",
    ),
    "too little overcommit": (
        "defaults: {cpus: 0.1}",
        "cpu_overcommit: 0.5",
        25,
        "cpu_overcommit",
        "0.5 is less than 1",
        "",
    ),
    "no teams": ("teams:\n  feed: {}\n  redpacket: {}\n", "", 1, "", "'teams' is missing", "`teams:`"),
    "a second site of the sort": (
        "{home: {}, cloudtown: {cloud: true}}\nteams:\n  feed: {}\n  redpacket: {}\npools:\n  feed:\n    site: home\n",
        "{home: {}, hall: {}, cloudtown: {cloud: true}}\nteams:\n  feed: {}\n  redpacket: {}\npools:\n  feed:\n",
        6,
        "pools.feed",
        "2 sites with machines of one's own (home, hall)",
        "`site:`",
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_fleet_file_is_refused_for(refusal: Refusal) -> None:
    check_refusal(FLEET, refusal)


def test_the_file_itself_is_accepted() -> None:
    assert len(parse_fleet(FLEET, "springtide.yaml").pools) == 2


def test_of_several_mistakes_the_first_line_is_named() -> None:
    with pytest.raises(FleetFileError) as caught:
        parse_fleet(FLEET.replace("count: 2", "count: 0").replace("notice: 8s", "notice: -8"), "f")
    assert caught.value.line == 9

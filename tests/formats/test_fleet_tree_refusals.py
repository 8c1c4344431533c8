"""Contradictions between departments, teams, limits, links and labels are refused at their line."""

from __future__ import annotations

import pytest

from springtide.formats.fleet import parse_fleet
from springtide.model.errors import FleetFileError
from tests.formats.fleet_refusals import Refusal, check_refusal

COMPANY = """\
sites: {home: , away: {cloud: true}}
departments:
  media: {nominal: {cpus: 4}, cohort: public}
  news: {parent: media}
  sports: {parent: media, nominal: {cpus: 2}}
teams:
  feed: {department: news, nominal: {cpus: 2}}
  score: {department: sports}
  payroll: {cohort: internal}
pools:
  feed:
    team: feed
    slices:
      - {count: 2, cpus: 1, memory: 2G, zone: a, labels: {rack: r1}}
      - {cpus: 4, memory: 8G, resources: {gpu: 2}}
  company: {slices: {cpus: 1, memory: 2G}, cohort: public}
  burst: {cloud: rented, max_nodes: 4}
clouds:
  rented:
    kind: slices
    offers:
      spot: {cpus: 1, memory: 2G, price: 0.1, interruptions: 5%/h}
links:
  - between: [home, away]
    bandwidth: 1Gbps
    pulls: 200Mbps
    calendar:
      - {cron: "0 18 * * *", for: 6h, bandwidth: 10Gbps}
      - {cron: "0 3 * * 0", for: 30m, bandwidth: 300Mbps, timezone: Asia/Shanghai}
reclaim: {hold: 30s}
budgets:
  - {period: hour, limit: 2.50}
"""

IN_THE_TREE = {
    "an unknown parent": (
        "news: {parent: media}",
        "news: {parent: medai}",
        4,
        "departments.news.parent",
        "no department 'medai' under `departments` (line 2)",
        "'media'",
    ),
    "an unknown department": (
        "department: news",
        "department: new",
        7,
        "teams.feed.department",
        "no department 'new' under `departments` (line 2)",
        "'news'",
    ),
    "a department that is its own parent": (
        "news: {parent: media}",
        "news: {parent: news}",
        4,
        "departments.news.parent",
        "a circle: news is in news (line 4)",
        "Take one",
    ),
    "a circle of departments": (
        "media: {nominal: {cpus: 4}, cohort: public}",
        "media: {parent: news}",
        3,
        "departments.media.parent",
        "a circle: media is in news (line 3), news is in media (line 4)",
        "Take one",
    ),
    "quotas within that add up to more": (
        "score: {department: sports}",
        "score: {department: sports, nominal: {cpus: 2.5}}",
        5,
        "departments.sports.nominal.cpus",
        "'sports' is 2000m cpu, but those within it add up to 2500m cpu: team 'score' 2500m cpu (line 8)",
        "Raise this one",
    ),
    "quotas two levels below that add up to more": (
        "{department: news, nominal: {cpus: 2}}",
        "{department: news, nominal: {cpus: 3}}",
        3,
        "departments.media.nominal.cpus",
        "add up to 5000m cpu: team 'feed' 3000m cpu (line 7), department 'sports' 2000m cpu (line 5)",
        "lower theirs",
    ),
    "a lending limit above the quota of a team": (
        "{department: news, nominal: {cpus: 2}}",
        "{department: news, nominal: {cpus: 2}, lending_limit: {cpus: 3}}",
        7,
        "teams.feed.lending_limit.cpus",
        "lending limit of 3000m cpu is above the nominal quota of 2000m cpu (line 7)",
        "Lower the limit",
    ),
    "a lending limit above the quota of a department": (
        "nominal: {cpus: 4}, cohort: public",
        "nominal: {cpus: 4},\n    lending_limit: {cpus: 5}",
        4,
        "departments.media.lending_limit.cpus",
        "lending limit of 5000m cpu is above the nominal quota of 4000m cpu (line 3)",
        "raise the quota",
    ),
    "a cohort of a team that is in a department": (
        "score: {department: sports}",
        "score: {department: sports, cohort: public}",
        8,
        "teams.score.cohort",
        "'score' is in the department 'sports' (line 8)",
        "on the department 'media'",
    ),
    "a cohort of a department that isn't at the top": (
        "news: {parent: media}",
        "news: {parent: media, cohort: public}",
        4,
        "departments.news.cohort",
        "'news' is in the department 'media' (line 4)",
        "on the department 'media'",
    ),
    "a quota below nought": (
        "nominal: {cpus: 4}",
        "nominal: {cpus: -1}",
        3,
        "departments.media.nominal.cpus",
        "-1 is less than 0",
        "",
    ),
    "a limit below nought": (
        "score: {department: sports}",
        "score: {borrowing_limit: {memory: -1G}}",
        8,
        "teams.score.borrowing_limit.memory",
        "'-1G' can't be read",
        "256M",
    ),
    "a lending limit of gpus below nought": (
        "score: {department: sports}",
        "score: {lending_limit: {resources: {gpu: -1}}}",
        8,
        "teams.score.lending_limit.resources.gpu",
        "-1 is less than 0",
        "",
    ),
    "a quota of no kind": (
        "nominal: {cpus: 4}",
        "nominal: {}",
        3,
        "departments.media.nominal",
        "empty",
        "at least one",
    ),
    "a quota of a kind that no node has": (
        "nominal: {cpus: 4}",
        "nominal: {resources: {gpus: 4}}",
        3,
        "departments.media.nominal.resources.gpus",
        "No node and no offer has 'gpus'; the kinds are cpus, memory, pids, gpu.",
        "'gpu'",
    ),
    "a limit of a kind that no node has": (
        "score: {department: sports}",
        "score: {borrowing_limit: {resources: {licence: 4}}}",
        8,
        "teams.score.borrowing_limit.resources.licence",
        "No node and no offer has 'licence'",
        "give it to a node",
    ),
    "a share of a kind that no node has": (
        "news: {parent: media}",
        "news: {parent: media, contribution: {resources: {tpu: 5%}}}",
        4,
        "departments.news.contribution.resources.tpu",
        "'tpu'; the kinds are cpus, memory, pids, gpu",
        "'gpu'",
    ),
    "a default of a kind that no node has": (
        "reclaim: {hold: 30s}",
        "defaults: {resources: {tpu: 1}}",
        30,
        "defaults.resources.tpu",
        "'tpu'; the kinds are",
        "'gpu'",
    ),
    "a share of a team above the whole": (
        "score: {department: sports}",
        "score: {contribution: {cpus: 101%}}",
        8,
        "teams.score.contribution.cpus",
        "contribute 101%",
        "at most 100%",
    ),
    "a share of a kind below nought": (
        "score: {department: sports}",
        "score: {contribution: {memory: -5}}",
        8,
        "teams.score.contribution.memory",
        "-5 is less than 0",
        "",
    ),
    "a share of an unknown key": (
        "score: {department: sports}",
        "score: {contribution: {cpu: 5%}}",
        8,
        "teams.score.contribution.cpu",
        "isn't known here",
        "'cpus'",
    ),
    "an absurd weight": (
        "score: {department: sports}",
        "score: {weight: 1000001}",
        8,
        "teams.score.weight",
        "1000001 is more than 1000000",
        "",
    ),
}

OF_POOLS = {
    "a cohort that nobody is in": (
        "2G}, cohort: public}",
        "2G}, cohort: pubic}",
        16,
        "pools.company.cohort",
        "is in a cohort 'pubic'",
        "'public'",
    ),
    "a team's pool with a cohort": (
        "    team: feed\n",
        "    team: feed\n    cohort: public\n",
        13,
        "pools.feed.cohort",
        "A team's pool is in its team's cohort, and line 12 says `team`",
        "on the team or its department",
    ),
    "a rented pool with a cohort": (
        "max_nodes: 4",
        "max_nodes: 4, cohort: public",
        17,
        "pools.burst.cohort",
        "serves whoever pays",
        "Leave `cohort` out",
    ),
    "more lent than the share of its kind leaves": (
        "    team: feed\n",
        "    team: feed\n    contribution: {cpus: 50%}\n    lending_limit: {cpus: 3.5}\n",
        14,
        "pools.feed.lending_limit.cpus",
        "owns 6000m cpu (line 15) and contributes 50% (line 13), which leaves 3000m cpu",
        "Lower the limit",
    ),
    "an absurd amount": (
        "count: 2, cpus: 1, memory: 2G",
        "count: 2, cpus: 1, memory: 2P",
        14,
        "pools.feed.slices[0].memory",
        "2.147e+09 MiB memory is absurd: at most 2^50, which is 1.074e+09 MiB memory",
        "noughts",
    ),
    "an absurd number of processors": (
        "count: 2, cpus: 1, memory: 2G",
        "count: 2, cpus: 2000000000000, memory: 2G",
        14,
        "pools.feed.slices[0].cpus",
        "2000000000000000m cpu is absurd: at most 2^50, which is 1125899906842624m cpu",
        "noughts",
    ),
    "an absurd number of a further kind": (
        "{gpu: 2}",
        "{gpu: 1125899906842625}",
        15,
        "pools.feed.slices[1].resources.gpu",
        "1125899906842625 gpu is absurd: at most 2^50, which is 1125899906842624 gpu",
        "noughts",
    ),
    "an absurd quota": (
        "nominal: {cpus: 4}",
        "nominal: {pids: 1125899906842625}",
        3,
        "departments.media.nominal.pids",
        "1125899906842625 pids is absurd",
        "noughts",
    ),
    "an absurd number of nodes that aren't absurd": (
        "count: 2, cpus: 1, memory: 2G",
        "count: 100, cpus: 1, memory: 1P",
        14,
        "pools.feed.slices[0]",
        "1.074e+11 MiB memory, which is absurd: at most 2^56, which is 6.872e+10 MiB memory",
        "noughts",
    ),
    "a second group with an unknown key": (
        "{cpus: 4, memory: 8G",
        "{lables: {a: b}, cpus: 4, memory: 8G",
        15,
        "pools.feed.slices[1].lables",
        "isn't known here",
        "'labels'",
    ),
    "a group without memory": (
        "{cpus: 4, memory: 8G, resources: {gpu: 2}}",
        "{cpus: 4}",
        15,
        "pools.feed.slices[1]",
        "'memory' is missing",
        "`memory:`",
    ),
    "slices of no group": (
        "    slices:\n      - {count: 2, cpus: 1, memory: 2G, zone: a, labels: {rack: r1}}\n"
        "      - {cpus: 4, memory: 8G, resources: {gpu: 2}}\n",
        "    slices: []\n",
        13,
        "pools.feed.slices",
        "a list can't be read here",
        "",
    ),
    "a label that stands twice": (
        "labels: {rack: r1}",
        "labels: {zone: b}",
        14,
        "pools.feed.slices[0].labels.zone",
        "'zone' stands on line 14 already",
        "Keep one",
    ),
    "a label that every node has": (
        "labels: {rack: r1}",
        "labels: {site: b}",
        14,
        "pools.feed.slices[0].labels.site",
        "'site' can't be a label",
        "another name",
    ),
    "a label with spaces": (
        "rack: r1",
        "rack: r 1",
        14,
        "pools.feed.slices[0].labels.rack",
        "'r 1' can't be read",
        "letters",
    ),
    "a label's name with capitals": (
        "rack: r1",
        "Rack: r1",
        14,
        "pools.feed.slices[0].labels.Rack",
        "'Rack'",
        "small letters",
    ),
    "more interruptions than machines": (
        "5%/h",
        "105%/h",
        22,
        "clouds.rented.offers.spot.interruptions",
        "105% are more",
        "5%/h",
    ),
    "interruptions by the day": ("5%/h", "5%/d", 22, "clouds.rented.offers.spot.interruptions", "'5%/d'", "5%/h"),
    "an absurd price": (
        "price: 0.1",
        "price: 2000000000",
        22,
        "clouds.rented.offers.spot.price",
        "2000000000/h is absurd",
        "noughts",
    ),
}

OF_LINKS_AND_TERMS = {
    "a link to an unknown site": (
        "[home, away]",
        "[home, awya]",
        24,
        "links[0].between[1]",
        "no site 'awya'",
        "'away'",
    ),
    "a link from a site to itself": (
        "[home, away]",
        "[away, away]",
        24,
        "links[0].between",
        "'away' stands twice",
        "the other",
    ),
    "a link with one end": ("[home, away]", "[home]", 24, "links[0].between", "can't be read", "two sites"),
    "a second link between two sites": (
        "reclaim:",
        "  - {between: [away, home], bandwidth: 1}\nreclaim:",
        30,
        "links[1]",
        "between away and home stands on line 24 already",
        "Keep one",
    ),
    "a link that carries nothing": (
        "bandwidth: 1Gbps",
        "bandwidth: 0",
        25,
        "links[0].bandwidth",
        "carries nothing",
        "more than 0",
    ),
    "a bandwidth below nought": (
        "bandwidth: 1Gbps",
        "bandwidth: -1",
        25,
        "links[0].bandwidth",
        "-1 is less than 0",
        "",
    ),
    "a bandwidth without a unit": ("1Gbps", "1G", 25, "links[0].bandwidth", "'1G' can't be read", "200Mbps"),
    "an absurd bandwidth": (
        "bandwidth: 1Gbps",
        "bandwidth: 2000Tbps",
        25,
        "links[0].bandwidth",
        "2000Tbps is absurd: at most 2^50",
        "unit",
    ),
    "pulls wider than the line": (
        "pulls: 200Mbps",
        "pulls: 2Gbps",
        26,
        "links[0].pulls",
        "pulls may take 2Gbps, but the line has 1Gbps (line 25)",
        "at any time",
    ),
    "pulls wider than the line at some hour": (
        "pulls: 200Mbps",
        "pulls: 400Mbps",
        26,
        "links[0].pulls",
        "pulls may take 400Mbps, but the line has 300Mbps (line 29)",
        "at any time",
    ),
    "pulls that never end": ("pulls: 200Mbps", "pulls: 0", 26, "links[0].pulls", "never end", "leave it out"),
    "a cron expression of four fields": (
        "0 18 * * *",
        "0 18 * *",
        28,
        "links[0].calendar[0].cron",
        "has 4 fields",
        "minute, hour",
    ),
    "a cron expression that is none": (
        "0 18 * * *",
        "0 25 * * *",
        28,
        "links[0].calendar[0].cron",
        "'0 25 * * *' isn't a cron expression: bad hour",
        "0 18 * * *",
    ),
    "a day that never comes": (
        "0 18 * * *",
        "0 18 31 2 *",
        28,
        "links[0].calendar[0].cron",
        "'0 18 31 2 *'",
        "minute, hour",
    ),
    "a window that never holds": ("for: 6h", "for: 0s", 28, "links[0].calendar[0].for", "never holds", "6h"),
    "a window without end": ("for: 6h", "for: 400d", 28, "links[0].calendar[0].for", "400 days; at most 366", ""),
    "a time zone with a slip": (
        "Asia/Shanghai",
        "Asia/Shanghia",
        29,
        "links[0].calendar[1].timezone",
        "no time zone 'Asia/Shanghia'",
        "'Asia/Shanghai'",
    ),
    "a time zone that is a path": (
        "Asia/Shanghai",
        "../../etc/passwd",
        29,
        "links[0].calendar[1].timezone",
        "no time zone '../../etc/passwd'",
        "",
    ),
    "a time zone of nowhere": ("Asia/Shanghai", "qqq", 29, "links[0].calendar[1].timezone", "'qqq'", "such as Asia/Sh"),
    "a negative hold": ("hold: 30s", "hold: -1", 30, "reclaim.hold", "-1 is less than 0", ""),
    "an endless hold": ("hold: 30s", "hold: 999999999999", 30, "reclaim.hold", "at most 366", ""),
    "a budget of nothing": (
        "limit: 2.50",
        "limit: 0",
        32,
        "budgets[0].limit",
        "nothing could ever be rented",
        "more than 0",
    ),
    "a budget below nothing": ("limit: 2.50", "limit: '-2'", 32, "budgets[0].limit", "'-2'", ""),
    "an absurd budget": ("limit: 2.50", "limit: 2000000000", 32, "budgets[0].limit", "2000000000 is absurd", "noughts"),
}

REFUSALS = {**IN_THE_TREE, **OF_POOLS, **OF_LINKS_AND_TERMS}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_fleet_file_is_refused_for(refusal: Refusal) -> None:
    check_refusal(COMPANY, refusal)


def test_the_file_itself_is_accepted() -> None:
    assert len(parse_fleet(COMPANY, "springtide.yaml").pools) == 3


def test_a_department_in_a_file_without_departments_is_refused() -> None:
    text = "teams: {us: {department: news}}\npools: {ours: {team: us, slices: {cpus: 1, memory: 1G}}}\n"
    with pytest.raises(FleetFileError, match="since the file has no `departments`") as caught:
        parse_fleet(text, "f")
    assert caught.value.remedy == "Add `departments: {news: }`."

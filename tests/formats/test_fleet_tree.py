"""Departments, shares, labels, links and further kinds of a fleet file, read as they are meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.formats.durations import parse_term
from springtide.formats.fleet import parse_fleet
from springtide.formats.quantities import format_rate, parse_percent_per_hour, parse_rate
from springtide.model.fleet import Department, Fleet, Link, LinkWindow, ReclaimTerms, Team
from springtide.model.identifiers import PoolName, SiteName, TeamName
from springtide.model.resources import CPU_MILLIS, MEMORY_BYTES, Ceiling, Resources

GIBIBYTE = 2**30

COMPANY = """\
sites: {home: , away: {cloud: true}}
links:
  - between: [home, away]
    bandwidth: 1Gbps
    latency: 5ms
    pulls: 200Mbps
    calendar:
      - {cron: "0 18 * * *", for: 6h, bandwidth: 10Gbps, timezone: Asia/Shanghai}
      - {cron: "0 3 * * 0", for: 30m, bandwidth: 0}
departments:
  media: {nominal: {cpus: 4, resources: {gpu: 2}}, cohort: public, contribution: {memory: 5%, cpus: 15%}}
  news: {parent: media, lending_limit: {cpus: 0}, borrowing_limit: {cpus: 2, memory: 2G}, contribution: 30%}
  sports: {parent: media}
teams:
  feed: {department: news, nominal: {cpus: 2}, lending_limit: {cpus: 1}, contribution: {cpus: 50%}}
  score: {department: sports}
  payroll: {cohort: internal, contribution: 0%}
pools:
  feed:
    team: feed
    slices:
      - {count: 2, cpus: 1, memory: 2G, zone: a, os: Linux, arch: x86_64, labels: {rack: 7, class: Fast}}
      - {cpus: 4, memory: 8G, zone: b, isolation: vm, resources: {gpu: 2}}
  tight: {team: feed, slices: {cpus: 1, memory: 2G}, contribution: {resources: {gpu: 1%}}}
  score: {team: score, slices: {cpus: 1, memory: 2G}}
  payroll: {team: payroll, slices: {cpus: 1, memory: 2G}}
  company: {slices: {cpus: 1, memory: 2G}, cohort: public}
  everybody: {slices: {cpus: 1, memory: 2G}}
  burst: {cloud: rented, max_nodes: 4}
clouds:
  rented:
    kind: slices
    offers:
      spot: {cpus: 1, memory: 2G, price: 0.1, zone: c, arch: aarch64, interruptions: 5%/h, resources: {gpu: 1}}
      steady: {cpus: 1, memory: 2G, price: 0.3}
reclaim: {hold: 1m}
defaults: {resources: {gpu: 1}}
"""


def company() -> Fleet:
    return parse_fleet(COMPANY, "springtide.yaml")


def shares(pool: str) -> tuple[int, dict[str, int]]:
    found = company().pool(PoolName(pool))
    return found.contribution_percent, dict(found.contribution_by_kind)


def test_departments_have_parents_limits_and_cohorts() -> None:
    media, news, sports = company().departments
    assert media == Department("media", nominal=Ceiling.of(cpu_millis=4000, gpu=2), cohort="public")
    assert news.parent == "media"
    assert news.lending_limit == Ceiling.of(cpu_millis=0)
    assert news.borrowing_limit == Ceiling.of(cpu_millis=2000, memory_bytes=2 * GIBIBYTE)
    assert sports == Department("sports", parent="media")


def test_teams_have_the_same_limits_as_departments() -> None:
    feed, _, payroll = company().teams
    own, lent = Ceiling.of(cpu_millis=2000), Ceiling.of(cpu_millis=1000)
    assert feed == Team(TeamName("feed"), department="news", nominal=own, lending_limit=lent)
    assert (payroll.department, payroll.cohort) == (None, "internal")


def test_a_share_is_the_pools_else_the_teams_else_the_nearest_departments() -> None:
    assert shares("feed") == (30, {CPU_MILLIS: 50})
    assert shares("tight") == (30, {CPU_MILLIS: 50, "gpu": 1})
    assert shares("payroll") == (0, {})


def test_kinds_that_no_level_names_are_shared_by_a_tenth() -> None:
    assert shares("score") == (10, {CPU_MILLIS: 15, MEMORY_BYTES: 5})


def test_one_share_of_a_pool_overrules_all_shares_by_kind() -> None:
    text = COMPANY.replace("contribution: {resources: {gpu: 1%}}", "contribution: 40%")
    pool = parse_fleet(text, "f").pool(PoolName("tight"))
    assert (pool.contribution_percent, pool.contribution_by_kind) == (40, ())


def test_a_lending_limit_is_judged_by_the_share_of_its_kind() -> None:
    text = COMPANY.replace("contribution: {resources: {gpu: 1%}}", "lending_limit: {cpus: 0.5, memory: 1G}")
    limit = parse_fleet(text, "f").pool(PoolName("tight")).lending_limit
    assert limit is not None
    assert (limit[CPU_MILLIS], limit[MEMORY_BYTES]) == (500, GIBIBYTE)


def test_a_company_pool_may_be_one_cohorts() -> None:
    assert company().pool(PoolName("company")).cohort == "public"
    assert company().pool(PoolName("everybody")).cohort is None


def test_groups_of_slices_have_their_own_shape_and_labels_and_count_on() -> None:
    one, two, three = (node for node in company().nodes if node.pool == "feed")
    assert [node.id for node in (one, two, three)] == ["feed-1", "feed-2", "feed-3"]
    assert one.labels == (("arch", "amd64"), ("class", "Fast"), ("os", "linux"), ("rack", "7"), ("zone", "a"))
    assert three.labels == (("isolation", "vm"), ("zone", "b"))
    assert (one.allocatable["gpu"], three.allocatable["gpu"]) == (0, 2)
    assert three.allocatable[CPU_MILLIS] == 4000


def test_one_group_of_slices_is_as_good_as_a_list_of_one() -> None:
    single = "teams: {us: }\npools: {ours: {team: us, slices: %s}}\n"
    group = "{count: 2, cpus: 1, memory: 1G}"
    assert parse_fleet(single % group, "f") == parse_fleet(single % f"[{group}]", "f")


def test_offers_have_labels_and_a_chance_of_interruption() -> None:
    spot, steady = company().clouds[0].offers
    assert (spot.labels, spot.interruptions_percent_per_hour) == ((("arch", "arm64"), ("zone", "c")), 5)
    assert (steady.labels, steady.interruptions_percent_per_hour) == ((), 0)


def test_a_link_has_both_ends_a_width_and_a_calendar() -> None:
    evening = LinkWindow("0 18 * * *", 6 * 3600.0, 10**10, "Asia/Shanghai")
    closed = LinkWindow("0 3 * * 0", 1800.0, 0)
    ends = (SiteName("home"), SiteName("away"))
    assert company().links == (Link(ends, 10**9, 0.005, (evening, closed), 200_000_000),)


def test_a_link_may_say_nothing_but_its_width() -> None:
    text = "sites: {a: , b: }\nteams: {us: }\npools: {ours: {site: a, team: us, slices: {cpus: 1, memory: 1G}}}\n"
    links = parse_fleet(f"{text}links: [{{between: [b, a], bandwidth: 5e9}}]\n".replace("5e9", "5000000000"), "f").links
    assert links == (Link((SiteName("b"), SiteName("a")), 5 * 10**9),)


def test_terms_of_reclaim_and_defaults_take_the_new_words() -> None:
    assert company().reclaim == ReclaimTerms(hold_seconds=60.0)
    assert company().defaults == Fleet().defaults + Resources.of(gpu=1)


def test_quotas_within_a_department_may_add_up_to_just_its_own() -> None:
    text = COMPANY.replace("score: {department: sports}", "score: {department: sports, nominal: {cpus: 2}}")
    assert parse_fleet(text, "f").teams[1].nominal == Ceiling.of(cpu_millis=2000)


def test_a_deep_tree_is_read() -> None:
    chain = "".join(f"  d{n}: {{parent: d{n + 1}}}\n" for n in range(1500))
    text = f"departments:\n{chain}  d1500: {{contribution: 70%}}\nteams: {{us: {{department: d0}}}}\n"
    fleet = parse_fleet(f"{text}pools: {{ours: {{team: us, slices: {{cpus: 1, memory: 1G}}}}}}\n", "f")
    assert fleet.pools[0].contribution_percent == 70


@given(st.integers(min_value=0, max_value=10**15 - 1))
def test_a_rate_is_read_as_it_is_shown(rate: int) -> None:
    assert parse_rate(format_rate(rate)) == rate


@pytest.mark.parametrize("text", ["5%/h", "5% / hour", "5/h", "5%", "5"])
def test_a_percentage_per_hour_is_written_in_several_ways(text: str) -> None:
    assert parse_percent_per_hour(text) == 5


def test_the_longest_term_is_a_leap_year() -> None:
    assert parse_term("366d") == 366 * 86400
    with pytest.raises(ValueError, match="is 367 days; at most 366"):
        parse_term("367d")

from __future__ import annotations

from pathlib import Path

import pytest

from springtide.formats.fleet import check_fleet_fits, default_fleet, fleet_schema, load_fleet, parse_fleet
from springtide.model.errors import RefusedError
from springtide.model.fleet import Budget, CloudFaults, Fleet, ReclaimTerms, ScalingTerms, Site
from springtide.model.resources import CPU_MILLIS, MEMORY_BYTES, PIDS, Resources, total

MACHINE = Resources.of(cpu_millis=2000, memory_bytes=4 * 2**30)
MEBIBYTE = 2**20

TIDE = """\
currency: USD
sites: {home: {}, cloudtown: {cloud: true}}
departments: {news: }
teams:
  feed: {weight: 2, department: news}
  redpacket:
pools:
  feed:
    site: home
    team: feed
    slices: {count: 2, cpus: 0.2, memory: 256M, resources: {gpu: 1}}
    contribution: 25%
    lending_limit: {cpus: 0.1}
    price: 0.02/h
  redpacket: {team: redpacket, slices: {cpus: 0.4, memory: 1GiB, pids: 500}}
  company: {slices: {cpus: 1, memory: 512M}}
  burst: {cloud: rented, max_nodes: 6}
clouds:
  rented:
    kind: slices
    offers:
      small: {cpus: 0.1, memory: 128M, price: 0.36/h, boot: 4s, billing_period: 10s, stock: 10}
      large: {cpus: 0.3, memory: 256M, price: 1.2}
    faults: {out_of_stock: true, fail_every: 3}
reclaim: {notice: 8s, grace: 2s}
scaling: {up: 1s, down: 5s, home: 3s, period: 0.5, tolerance: 0.2, max_moves: 4, move_cost: 0.01, proof: 2s}
budgets: [{period: hour, limit: 2.50}, {period: month, limit: "100"}]
defaults: {cpus: 0.05, memory: 32M}
cpu_overcommit: 3
"""

SMALL = "teams: {us: }\npools: {ours: {team: us, slices: {cpus: 1, memory: 1G}}}\n"


def tide() -> Fleet:
    return parse_fleet(TIDE, "springtide.yaml")


def test_a_team_pool_has_its_slices_share_and_price() -> None:
    pool = tide().pool(tide().pools[0].name)
    assert (pool.name, pool.site, pool.team, pool.contribution_percent) == ("feed", "home", "feed", 25)
    assert pool.price_micros_per_cpu_hour == 20_000
    assert not pool.is_elastic
    nodes = [node for node in tide().nodes if node.pool == "feed"]
    assert [node.id for node in nodes] == ["feed-1", "feed-2"]
    assert dict(nodes[0].allocatable.amounts) == {CPU_MILLIS: 200, MEMORY_BYTES: 256 * MEBIBYTE, PIDS: 4096, "gpu": 1}


def test_a_kind_that_a_lending_limit_leaves_out_is_unlimited() -> None:
    limit = tide().pools[0].lending_limit
    assert limit is not None
    assert dict(limit.amounts) == {CPU_MILLIS: 100, MEMORY_BYTES: 512 * MEBIBYTE, PIDS: 8192, "gpu": 2}


def test_a_lending_limit_of_nought_lends_nothing() -> None:
    fleet = parse_fleet(SMALL.replace("1G}", "1G}, lending_limit: {cpus: 0}"), "f")
    limit = fleet.pools[0].lending_limit
    assert limit is not None
    assert limit[CPU_MILLIS] == 0


def test_a_pool_without_a_team_is_all_shared() -> None:
    company = next(pool for pool in tide().pools if pool.name == "company")
    assert (company.team, company.contribution_percent, company.lending_limit) == (None, 100, None)


def test_a_rented_pool_stands_where_its_cloud_does() -> None:
    burst = next(pool for pool in tide().pools if pool.name == "burst")
    assert (burst.cloud, burst.site, burst.max_nodes, burst.is_elastic) == ("rented", "cloudtown", 6, True)
    assert not [node for node in tide().nodes if node.pool == "burst"]


def test_offers_have_shape_price_period_boot_and_stock() -> None:
    cloud = tide().clouds[0]
    small, large = cloud.offers
    assert small.resources == Resources.of(cpu_millis=100, memory_bytes=128 * MEBIBYTE, pids=4096)
    assert (small.price_micros_per_hour, small.billing_period_seconds) == (360_000, 10)
    assert (small.boot_seconds, small.stock) == (4.0, 10)
    assert (large.billing_period_seconds, large.boot_seconds, large.stock) == (3600, 0.0, None)
    assert cloud.faults == CloudFaults(out_of_stock=True, fail_every=3)


def test_terms_budgets_and_defaults_are_read() -> None:
    fleet = tide()
    assert fleet.reclaim == ReclaimTerms(8.0, 2.0)
    assert fleet.scaling == ScalingTerms(1.0, 5.0, 3.0, 0.2, 0.5, 4, 10_000, 2.0)
    assert fleet.budgets == (Budget("hour", 2_500_000), Budget("month", 100_000_000))
    assert fleet.defaults == Resources.of(cpu_millis=50, memory_bytes=32 * MEBIBYTE, pids=128)
    assert (fleet.cpu_overcommit, fleet.currency) == (3.0, "USD")
    assert (fleet.weight(fleet.teams[0].name), fleet.teams[0].department) == (2, "news")


def test_a_small_file_gets_every_default() -> None:
    fleet = parse_fleet(SMALL, "f")
    assert fleet.sites == (Site(fleet.pools[0].site),)
    assert fleet.pools[0].site == "home"
    assert fleet.pools[0].contribution_percent == 10
    assert fleet.reclaim == ReclaimTerms()
    assert fleet.scaling == ScalingTerms()
    assert fleet.defaults == Fleet().defaults


def test_without_sites_a_cloud_gets_one_of_its_own() -> None:
    text = TIDE.replace("sites: {home: {}, cloudtown: {cloud: true}}\n", "")
    assert [(site.name, site.is_cloud) for site in parse_fleet(text, "f").sites] == [("home", False), ("cloud", True)]


def test_a_file_is_read_from_disk(tmp_path: Path) -> None:
    (tmp_path / "springtide.yaml").write_text(TIDE)
    assert load_fleet(tmp_path / "springtide.yaml") == tide()


def test_the_default_fleet_leaves_a_third_of_the_machine_alone() -> None:
    fleet = default_fleet(MACHINE)
    check_fleet_fits(fleet, MACHINE)
    assert [node.id for node in fleet.nodes] == ["default-1", "default-2"]
    assert total(node.allocatable for node in fleet.nodes)[MEMORY_BYTES] <= MACHINE[MEMORY_BYTES] * 2 / 3
    assert [team.name for team in fleet.teams] == ["default"]


def test_the_slices_and_all_that_may_be_rented_count_against_the_machine() -> None:
    check_fleet_fits(tide(), Resources.of(cpu_millis=1200, memory_bytes=3584 * MEBIBYTE))


def test_processors_beyond_the_overcommit_are_refused_with_figures() -> None:
    machine = Resources.of(cpu_millis=1000, memory_bytes=64 * 2**30)
    with pytest.raises(RefusedError) as caught:
        check_fleet_fits(tide(), machine)
    assert "want 3600m cpu (1800m own, up to 1800m rented)" in caught.value.sentence
    assert "1000m, times cpu_overcommit 3 makes 3000m" in caught.value.sentence


def test_memory_is_never_overcommitted() -> None:
    machine = Resources.of(cpu_millis=64_000, memory_bytes=3583 * MEBIBYTE)
    with pytest.raises(RefusedError) as caught:
        check_fleet_fits(tide(), machine)
    assert "want 3584 MiB of memory (2048 MiB own, up to 1536 MiB rented)" in caught.value.sentence
    assert "has 3583 MiB" in caught.value.sentence


def test_stock_bounds_what_may_be_rented() -> None:
    scarce = parse_fleet(TIDE.replace("price: 1.2}", "price: 1.2, stock: 1}"), "f")
    check_fleet_fits(scarce, Resources.of(cpu_millis=64_000, memory_bytes=(2048 + 256 + 5 * 128) * MEBIBYTE))


def test_the_schema_describes_every_key() -> None:
    def undescribed(schema: object, path: str) -> list[str]:
        if not isinstance(schema, dict):
            return []
        named = schema.get("properties", {})
        missing = [f"{path}.{key}" for key, value in named.items() if not ({"description", "$ref"} & set(value))]
        return missing + [each for key, value in schema.items() for each in undescribed(value, f"{path}.{key}")]

    assert undescribed(fleet_schema(), "") == []

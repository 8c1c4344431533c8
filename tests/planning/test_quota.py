"""The arithmetic of pools: identities that hold to the last unit, in every kind."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from springtide.model.fleet import Pool
from springtide.model.leases import Rung
from springtide.model.resources import NOTHING, Resources
from springtide.planning import quota
from springtide.planning.rungs import work_out_rungs
from tests.builders import a_placement, a_pool

KINDS = ("cpu_millis", "memory_bytes", "gpu")


def amounts(most: int = 1000) -> st.SearchStrategy[Resources]:
    return st.fixed_dictionaries({kind: st.integers(0, most) for kind in KINDS}).map(Resources.of)


team_pools = st.builds(
    lambda percent, limit: a_pool("feed", "feed", contribution_percent=percent, lending_limit=limit),
    st.integers(0, 100),
    st.none() | amounts(),
)


@given(team_pools, amounts())
def test_own_and_contributed_parts_are_the_whole_pool(pool: Pool, healthy: Resources) -> None:
    assert quota.own_part(pool, healthy) + pool.contributed_of(healthy) == healthy


@given(amounts(), amounts())
def test_a_company_pool_is_all_shared_and_lends_nothing_beyond(healthy: Resources, use: Resources) -> None:
    company = a_pool("all")
    assert company.contributed_of(healthy) == healthy
    assert quota.own_part(company, healthy) == quota.lending_limit(company, NOTHING) == NOTHING
    assert quota.guest_quota(company, NOTHING, healthy, NOTHING, may_borrow=True) == healthy


@given(team_pools, amounts())
def test_no_pool_lends_more_than_its_own_part_nor_more_than_its_limit(pool: Pool, healthy: Resources) -> None:
    lent = quota.lending_limit(pool, quota.own_part(pool, healthy))
    assert lent.fits_in(quota.own_part(pool, healthy))
    assert pool.lending_limit is None or lent.fits_in(pool.lending_limit)
    assert pool.lending_limit is not None or lent == quota.own_part(pool, healthy)


@given(team_pools, amounts(), amounts())
def test_owner_and_guests_together_never_exceed_the_pool(pool: Pool, healthy: Resources, owner: Resources) -> None:
    guests = quota.guest_quota(pool, quota.own_part(pool, healthy), healthy, owner, may_borrow=True)
    for kind in KINDS:
        assert guests[kind] + owner[kind] <= max(healthy[kind], owner[kind])


@given(team_pools, amounts(), amounts())
def test_without_a_limit_guests_may_use_all_that_the_owner_leaves(
    pool: Pool, healthy: Resources, owner: Resources
) -> None:
    free = replace(pool, lending_limit=None)
    assert (
        quota.guest_quota(free, quota.own_part(free, healthy), healthy, owner, may_borrow=True)
        == (healthy - owner).at_least_zero()
    )


@given(team_pools, amounts(), amounts())
def test_borrowing_only_ever_adds(pool: Pool, healthy: Resources, owner: Resources) -> None:
    shared = quota.guest_quota(pool, quota.own_part(pool, healthy), healthy, owner, may_borrow=False)
    assert shared == quota.shareable_left(quota.own_part(pool, healthy), healthy, owner)
    assert shared.fits_in(quota.guest_quota(pool, quota.own_part(pool, healthy), healthy, owner, may_borrow=True))
    assert shared.fits_in(pool.contributed_of(healthy))


@given(team_pools, amounts(), amounts(), amounts(100))
def test_more_use_by_the_owner_never_means_more_for_guests(
    pool: Pool, healthy: Resources, owner: Resources, more: Resources
) -> None:
    for may_borrow in (False, True):
        before = quota.guest_quota(pool, quota.own_part(pool, healthy), healthy, owner, may_borrow=may_borrow)
        assert quota.guest_quota(
            pool, quota.own_part(pool, healthy), healthy, owner + more, may_borrow=may_borrow
        ).fits_in(before)


@given(team_pools, amounts(), amounts(), amounts(100))
def test_an_owner_within_its_own_part_takes_nothing_from_what_is_shared(
    pool: Pool, healthy: Resources, owner: Resources, amount: Resources
) -> None:
    if quota.is_own(quota.own_part(pool, healthy), owner, amount):
        taken = owner + amount
        asked = [kind for kind in KINDS if amount[kind] > 0]
        left, whole = (
            quota.shareable_left(quota.own_part(pool, healthy), healthy, taken),
            pool.contributed_of(healthy),
        )
        assert all(left[kind] == whole[kind] for kind in asked)


@given(amounts(200), amounts(100))
def test_of_equal_guests_the_last_shared_one_is_the_one_that_straddles_the_split(
    shareable: Resources, amount: Resources
) -> None:
    asked = [kind for kind in KINDS if amount[kind] > 0]
    begun = min((-(-shareable[kind] // amount[kind]) for kind in asked), default=0)
    if not asked or begun > 200:
        return
    guests = [a_placement(ordinal=n, resources=amount) for n in range(1, begun + 3)]
    use = amount.times(len(guests))
    rungs = work_out_rungs(a_pool("all"), NOTHING, shareable, NOTHING, use, lambda owners: [] if owners else guests)
    shared = [rungs.of(each.instance, is_owner=False) is Rung.SHARED for each in guests]
    assert shared == [True] * begun + [False, False]


@given(team_pools, amounts(), amounts(), st.sampled_from(KINDS), st.integers(0, 1000))
def test_each_kind_is_reckoned_apart(pool: Pool, healthy: Resources, owner: Resources, kind: str, more: int) -> None:
    changed = quota.guest_quota(
        pool, quota.own_part(pool, healthy), healthy, owner + Resources.of({kind: more}), may_borrow=True
    )
    before = quota.guest_quota(pool, quota.own_part(pool, healthy), healthy, owner, may_borrow=True)
    assert all(changed[other] == before[other] for other in KINDS if other != kind)

"""Quotas as a tree: counted step by step, they agree with what a plain recount of everybody says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from springtide.model.fleet import Department, Fleet, Pool, Team
from springtide.model.identifiers import CloudName, PoolName, SiteName, TeamName
from springtide.model.resources import NO_CEILING, NOTHING, Ceiling, Resources, total
from springtide.planning import quota
from springtide.planning.guest_uses import GuestUses
from springtide.planning.quota_tree import Level, LimitName, Member, Tree

KINDS = ("cpu_millis", "gpu", "memory_bytes")
SITE = SiteName("here")
CLOUD = CloudName("rented")
LENDING, BORROWING = LimitName.LENDING, LimitName.BORROWING


# --- A recount, written without the tree ---


@dataclass(frozen=True)
class Recount:
    """Says of a fleet what the rules say, by walking the fleet's own tuples anew for each question."""

    fleet: Fleet

    def department(self, name: str | None) -> Department | None:
        return next((each for each in self.fleet.departments if each.name == name), None)

    def team(self, name: TeamName | None) -> Team | None:
        return next((each for each in self.fleet.teams if each.name == name), None)

    def pool(self, name: PoolName) -> Pool | None:
        pool = next((each for each in self.fleet.pools if each.name == name), None)
        return None if pool is None or pool.is_elastic else pool

    def declared_above(self, name: str) -> list[str]:
        """Names met on the way up by declared parents; where the way is a cycle, until it closes."""
        met: list[str] = []
        here = self.department(name)
        while here is not None and (above := self.department(here.parent)) is not None and above.name not in met:
            met.append(above.name)
            here = above
        return met

    def parent(self, name: str) -> str | None:
        above = self.declared_above(name)
        cycle = [each for each in above if name in self.declared_above(each)]
        if name in above and name == min(cycle):
            return None
        return above[0] if above else None

    def above(self, team: TeamName | None) -> list[Member]:
        found = self.team(team)
        if found is None:
            return []
        members = [Member(Level.TEAM, found.name)]
        here = found.department if self.department(found.department) else None
        while here is not None:
            members.append(Member(Level.DEPARTMENT, here))
            here = self.parent(here)
        return members

    def above_pool(self, name: PoolName) -> list[Member]:
        pool = self.pool(name)
        return [] if pool is None else self.above(pool.team)

    def cohort(self, team: TeamName | None) -> str:
        chain = self.above(team)
        top = self.department(chain[-1].name) if chain and chain[-1].level is Level.DEPARTMENT else self.team(team)
        return top.cohort if top is not None else ""

    def ceiling(self, member: Member, name: LimitName) -> dict[str, int]:
        holder = self.department(member.name) if member.level is Level.DEPARTMENT else self.team(TeamName(member.name))
        ceiling: Ceiling = getattr(holder, name)
        return {kind: max(0, most) for kind, most in ceiling.amounts}

    def members(self) -> list[Member]:
        return [Member(Level.DEPARTMENT, each.name) for each in self.fleet.departments] + [
            Member(Level.TEAM, each.name) for each in self.fleet.teams
        ]

    def counted(self, member: Member, name: LimitName, kind: str, state: State) -> int:
        guests = [use for use in state.uses if (pool := self.pool(use.pool)) is not None and pool.team != use.team]
        if name is BORROWING:
            return sum(
                use.amount[kind]
                for use in guests
                if member in self.above(use.team) and member not in self.above_pool(use.pool)
            )
        lent = 0
        for name_of_pool in {use.pool for use in guests if member in self.above_pool(use.pool)}:
            there = [use for use in guests if use.pool == name_of_pool]
            outside = sum(use.amount[kind] for use in there if member not in self.above(use.team))
            beyond = sum(use.amount[kind] for use in there) - state.shareable.get(name_of_pool, NOTHING)[kind]
            lent += min(outside, max(0, beyond))
        return lent

    def counts(self, state: State) -> dict[tuple[Member, LimitName, str], int]:
        """What counts toward every lending and borrowing limit that is set."""
        return {
            (member, name, kind): self.counted(member, name, kind, state)
            for member in self.members()
            for name in (LENDING, BORROWING)
            for kind in self.ceiling(member, name)
        }

    def excesses(self, state: State) -> dict[tuple[Member, LimitName, str], int]:
        counts = self.counts(state).items()
        above = {key: count - self.ceiling(key[0], key[1])[key[2]] for key, count in counts}
        return {key: excess for key, excess in above.items() if excess > 0}


@dataclass(frozen=True)
class Use:
    pool: PoolName
    team: TeamName
    amount: Resources


@dataclass(frozen=True)
class State:
    uses: tuple[Use, ...]
    shareable: Mapping[PoolName, Resources]


# --- Small fleets, odd ones among them ---

DEPARTMENTS = ("art", "bus", "car", "dip")
TEAMS = tuple(TeamName(name) for name in ("art", "feed", "mail", "news"))
POOLS = tuple(PoolName(name) for name in ("p", "q", "r", "s", "t"))


def amounts(most: int = 6) -> st.SearchStrategy[Resources]:
    return st.fixed_dictionaries({kind: st.integers(0, most) for kind in KINDS}).map(Resources.of)


ceilings = st.dictionaries(st.sampled_from(KINDS), st.integers(-1, 14), max_size=2).map(Ceiling.of)
cohorts = st.sampled_from(["", "", "east"])

departments = st.builds(
    Department,
    name=st.sampled_from(DEPARTMENTS),
    parent=st.sampled_from([None, "nowhere", *DEPARTMENTS]),
    nominal=ceilings,
    lending_limit=ceilings,
    borrowing_limit=ceilings,
    cohort=cohorts,
)
teams = st.builds(
    Team,
    name=st.sampled_from(TEAMS),
    department=st.sampled_from([None, "nowhere", *DEPARTMENTS]),
    nominal=ceilings,
    lending_limit=ceilings,
    borrowing_limit=ceilings,
    cohort=cohorts,
)
pools = st.builds(
    Pool,
    name=st.sampled_from(POOLS),
    site=st.just(SITE),
    team=st.sampled_from([None, *TEAMS]),
    cloud=st.sampled_from([None, None, None, None, CLOUD]),
    contribution_percent=st.integers(0, 100),
    contribution_by_kind=st.just(()) | st.integers(0, 100).map(lambda share: (("gpu", share),)),
    cohort=st.sampled_from([None, "", "east"]),
)
odd_fleets = st.builds(
    Fleet,
    departments=st.lists(departments, max_size=5).map(tuple),
    teams=st.lists(teams, max_size=5).map(tuple),
    pools=st.lists(pools, max_size=6).map(tuple),
)
"""Names twice, cycles, parents that aren't there, negative ceilings: whatever comes."""


@st.composite
def sound_fleets(draw: st.DrawFn) -> Fleet:
    """Three departments on two or three levels, four teams mostly within them, a pool each and the company's."""
    tight = st.dictionaries(st.sampled_from(KINDS), st.integers(0, 10), max_size=2).map(Ceiling.of)
    limited = {"nominal": tight, "lending_limit": tight, "borrowing_limit": tight, "cohort": cohorts}
    within = st.sampled_from([None, *DEPARTMENTS[:3], *DEPARTMENTS[:3]])
    chosen = [
        draw(st.builds(Department, name=st.just(name), parent=st.sampled_from(above), **limited))
        for name, above in (("art", [None]), ("bus", ["art", None]), ("car", ["bus", "art"]))
    ]
    return Fleet(
        departments=tuple(chosen),
        teams=tuple(draw(st.builds(Team, name=st.just(name), department=within, **limited)) for name in TEAMS),
        pools=tuple(
            draw(st.builds(replace, pools, name=st.just(name), team=st.just(team), cloud=st.none()))
            for name, team in zip(POOLS, (*TEAMS, None), strict=True)
        ),
    )


fleets = st.one_of(sound_fleets(), sound_fleets(), sound_fleets(), odd_fleets)

uses = st.builds(
    Use,
    pool=st.sampled_from([*POOLS, *POOLS, PoolName("gone")]),
    team=st.sampled_from([*TEAMS, *TEAMS, TeamName("strangers")]),
    amount=amounts(),
)
states = st.builds(
    State,
    uses=st.lists(uses, max_size=8).map(tuple),
    shareable=st.just({}) | st.fixed_dictionaries({pool: amounts(9) for pool in POOLS[:4]}),
)


def counted(fleet: Fleet, state: State) -> GuestUses:
    guests = GuestUses(Tree.of(fleet), state.shareable)
    for use in state.uses:
        guests.add(use.pool, use.team, use.amount)
    return guests


def figures(fleet: Fleet, guests: GuestUses) -> dict[tuple[Member, LimitName, str], int]:
    recount = Recount(fleet)
    return {
        (member, name, kind): guests.used(member, name)[kind]
        for member in recount.members()
        for name in (LENDING, BORROWING)
        for kind in recount.ceiling(member, name)
    }


# --- Laws ---


@given(fleets, states)
def test_what_is_counted_step_by_step_is_what_a_recount_finds(fleet: Fleet, state: State) -> None:
    assert figures(fleet, counted(fleet, state)) == Recount(fleet).counts(state)


@given(fleets, states, st.data())
def test_counts_hold_through_any_sequence_of_comings_goings_and_changes_of_what_is_shareable(
    fleet: Fleet, state: State, data: st.DataObject
) -> None:
    guests = counted(fleet, state)
    for _ in range(data.draw(st.integers(1, 6))):
        match data.draw(st.sampled_from(["come", "go", "change", "copy"])):
            case "come":
                use = data.draw(uses)
                guests.add(use.pool, use.team, use.amount)
                state = replace(state, uses=(*state.uses, use))
            case "go" if state.uses:
                leaver = data.draw(st.integers(0, len(state.uses) - 1))
                use = state.uses[leaver]
                guests.remove(use.pool, use.team, use.amount)
                state = replace(state, uses=state.uses[:leaver] + state.uses[leaver + 1 :])
            case "change":
                pool, amount = data.draw(st.sampled_from(POOLS)), data.draw(amounts(9))
                guests.set_shareable(pool, amount)
                state = replace(state, shareable={**state.shareable, pool: amount})
            case _:
                abandoned, guests = guests, guests.copy()
                abandoned.add(POOLS[0], TeamName("strangers"), Resources.of(gpu=5))
                abandoned.set_shareable(POOLS[1], NOTHING)
        assert figures(fleet, guests) == Recount(fleet).counts(state)


@given(fleets, states, uses)
def test_an_instance_is_refused_exactly_where_a_recount_finds_a_limit_broken_by_it_or_broken_further(
    fleet: Fleet, state: State, use: Use
) -> None:
    recount = Recount(fleet)
    before, after = recount.excesses(state), recount.excesses(replace(state, uses=(*state.uses, use)))
    worse = {key for key, excess in after.items() if excess > before.get(key, 0)}
    refusal = counted(fleet, state).headroom_refusal(use.pool, use.team, use.amount)
    assert (refusal is None) == (not worse)
    assert counted(fleet, state).has_headroom(use.pool, use.team, use.amount) == (refusal is None)
    if refusal is not None:
        named = {key for key in worse if key[:2] == (refusal.member, refusal.name)}
        assert {(refusal.member, refusal.name, kind) for kind, _ in refusal.limit.amounts} == named
        assert refusal.kind in use.amount.kinds
        assert all(0 < refusal.asked[kind] <= use.amount[kind] for _, _, kind in named)
        assert refusal.excess == Resources.of((kind, after[member, name, kind]) for member, name, kind in named)


@given(fleets, states)
def test_breaches_are_what_a_recount_finds_each_with_its_excess_and_in_order(fleet: Fleet, state: State) -> None:
    breaches = counted(fleet, state).breaches()
    found = {(each.member, each.name, kind): excess for each in breaches for kind, excess in each.excess.amounts}
    assert found == Recount(fleet).excesses(state)
    order = [(each.member, list(LimitName).index(each.name)) for each in breaches]
    assert order == sorted(set(order))
    assert all(each.asked == NOTHING and each.excess for each in breaches)


@given(fleets, states)
def test_a_guest_gives_as_much_relief_as_its_leaving_takes_off_the_count(fleet: Fleet, state: State) -> None:
    guests = counted(fleet, state)
    for breach in guests.breaches():
        for use in state.uses:
            relief = guests.relief(breach, use.pool, use.team, use.amount)
            without = guests.copy()
            without.remove(use.pool, use.team, use.amount)
            lighter = guests.used(breach.member, breach.name) - without.used(breach.member, breach.name)
            concerned = (breach.member in Recount(fleet).above(use.team)) == (breach.name is BORROWING)
            broken = [kind for kind, _ in breach.limit.amounts]
            assert relief == (Resources.of((kind, lighter[kind]) for kind in broken) if concerned else NOTHING)


@given(fleets, states)
def test_as_long_as_a_limit_is_broken_some_guests_leaving_relieves_it(fleet: Fleet, state: State) -> None:
    guests = counted(fleet, state)
    staying = list(state.uses)
    while breaches := guests.breaches():
        breach = breaches[0]
        leaver = next(use for use in staying if guests.relief(breach, use.pool, use.team, use.amount)[breach.kind] > 0)
        staying.remove(leaver)
        guests.remove(leaver.pool, leaver.team, leaver.amount)
    assert Recount(fleet).excesses(replace(state, uses=tuple(staying))) == {}


def without_ceilings(fleet: Fleet) -> Fleet:
    return replace(
        fleet,
        departments=tuple(
            replace(each, nominal=NO_CEILING, lending_limit=NO_CEILING, borrowing_limit=NO_CEILING)
            for each in fleet.departments
        ),
        teams=tuple(
            replace(each, nominal=NO_CEILING, lending_limit=NO_CEILING, borrowing_limit=NO_CEILING)
            for each in fleet.teams
        ),
    )


@given(fleets, states, uses)
def test_without_ceilings_nobody_is_refused_and_nothing_is_broken(fleet: Fleet, state: State, use: Use) -> None:
    guests = counted(without_ceilings(fleet), state)
    assert guests.headroom_refusal(use.pool, use.team, use.amount) is None
    assert guests.breaches() == []


@given(fleets, states, uses, st.sampled_from(KINDS), st.integers(1, 9))
def test_raising_limits_of_a_kind_never_brings_a_refusal(
    fleet: Fleet, state: State, use: Use, kind: str, more: int
) -> None:
    def raised(ceiling: Ceiling) -> Ceiling:
        return Ceiling.of((each, most + more * (each == kind)) for each, most in ceiling.amounts)

    higher = replace(
        fleet,
        departments=tuple(
            replace(each, lending_limit=raised(each.lending_limit), borrowing_limit=raised(each.borrowing_limit))
            for each in fleet.departments
        ),
        teams=tuple(
            replace(each, lending_limit=raised(each.lending_limit), borrowing_limit=raised(each.borrowing_limit))
            for each in fleet.teams
        ),
    )
    if counted(fleet, state).headroom_refusal(use.pool, use.team, use.amount) is None:
        assert counted(higher, state).headroom_refusal(use.pool, use.team, use.amount) is None


@given(fleets, states, uses, st.sampled_from(KINDS))
def test_a_kind_that_is_not_asked_for_refuses_nobody(fleet: Fleet, state: State, use: Use, kind: str) -> None:
    """However much of the kind others use: the answer is as if nobody used any."""
    rest = Resources.of(pair for pair in use.amount.amounts if pair[0] != kind)
    lean = replace(
        state,
        uses=tuple(
            replace(each, amount=Resources.of(pair for pair in each.amount.amounts if pair[0] != kind))
            for each in state.uses
        ),
    )
    with_kind = counted(fleet, state).headroom_refusal(use.pool, use.team, rest)
    assert with_kind == counted(fleet, lean).headroom_refusal(use.pool, use.team, rest)


healthy_pools = st.dictionaries(st.sampled_from([*POOLS, PoolName("gone")]), amounts(20), max_size=6)


@given(fleets, healthy_pools)
def test_own_parts_stay_within_every_ceiling_above_and_never_grow(
    fleet: Fleet, healthy: Mapping[PoolName, Resources]
) -> None:
    recount = Recount(fleet)
    own = Tree.of(fleet).own_parts(healthy)
    assert set(own) == {name for name in healthy if recount.pool(name) is not None}
    for name, part in own.items():
        pool = recount.pool(name)
        assert pool is not None
        contributed = healthy[name] - part
        assert part.fits_in(quota.own_part(pool, healthy[name]))
        assert pool.contributed_of(healthy[name]).fits_in(contributed)
        assert part + contributed == healthy[name]
    for member in recount.members():
        below = total(part for name, part in own.items() if member in recount.above_pool(name))
        for kind, most in recount.ceiling(member, LimitName.NOMINAL).items():
            assert below[kind] <= most


@given(fleets, healthy_pools)
def test_a_pool_is_cut_only_where_a_ceiling_above_is_used_up_by_pools_up_to_it_in_name(
    fleet: Fleet, healthy: Mapping[PoolName, Resources]
) -> None:
    recount = Recount(fleet)
    own = Tree.of(fleet).own_parts(healthy)
    for name, part in own.items():
        pool = recount.pool(name)
        assert pool is not None
        cut = quota.own_part(pool, healthy[name]) - part
        for kind in cut.kinds:
            assert any(
                kind in ceiling
                and ceiling[kind]
                == sum(
                    other[kind] for each, other in own.items() if each <= name and member in recount.above_pool(each)
                )
                for member in recount.above_pool(name)
                for ceiling in [recount.ceiling(member, LimitName.NOMINAL)]
            )


@given(fleets, healthy_pools)
def test_without_ceilings_own_parts_are_those_of_each_pool_alone(
    fleet: Fleet, healthy: Mapping[PoolName, Resources]
) -> None:
    bare = without_ceilings(fleet)
    for name, part in Tree.of(bare).own_parts(healthy).items():
        pool = Recount(bare).pool(name)
        assert pool is not None
        assert part == quota.own_part(pool, healthy[name])


@given(fleets)
def test_pools_lend_within_their_cohort_and_to_their_owner(fleet: Fleet) -> None:
    recount, tree = Recount(fleet), Tree.of(fleet)
    for name in POOLS:
        pool = recount.pool(name)
        for team in (*TEAMS, TeamName("strangers")):
            lends = pool is not None and (
                (pool.team is None and pool.cohort is None)
                or pool.team == team
                or (recount.cohort(pool.team) if pool.team is not None else pool.cohort) == recount.cohort(team)
            )
            assert tree.lends_to(name, team) == lends
            assert tree.cohort_of(team) == recount.cohort(team)


@given(sound_fleets(), states, uses)
def test_the_order_of_the_file_makes_no_difference(fleet: Fleet, state: State, use: Use) -> None:
    turned = replace(fleet, departments=fleet.departments[::-1], teams=fleet.teams[::-1], pools=fleet.pools[::-1])
    one, other = counted(fleet, state), counted(turned, replace(state, uses=state.uses[::-1]))
    assert one.breaches() == other.breaches()
    assert one.headroom_refusal(use.pool, use.team, use.amount) == other.headroom_refusal(
        use.pool, use.team, use.amount
    )


# --- Stories ---

FEED, MAIL, NEWS, SHOP = (TeamName(name) for name in ("feed", "mail", "news", "shop"))
NOTHING_SHARED: Mapping[PoolName, Resources] = {}


def pool_of(team: TeamName) -> Pool:
    return Pool(PoolName(team), SITE, team, contribution_percent=0)


def company(*, lending_limit: Ceiling = NO_CEILING, borrowing_limit: Ceiling = NO_CEILING) -> Fleet:
    """Feed and mail in the department media, news in press, shop in none; each with a pool of its name."""
    return Fleet(
        departments=(
            Department("media", lending_limit=lending_limit, borrowing_limit=borrowing_limit),
            Department("press"),
        ),
        teams=(
            Team(FEED, department="media"),
            Team(MAIL, department="media"),
            Team(NEWS, department="press"),
            Team(SHOP),
        ),
        pools=(*(pool_of(team) for team in (FEED, MAIL, NEWS, SHOP)), Pool(PoolName("all"), SITE)),
    )


def cpu(millis: int) -> Resources:
    return Resources.of(cpu_millis=millis)


MEDIA = Member(Level.DEPARTMENT, "media")


def test_a_department_lends_out_no_more_than_its_limit_though_each_team_would() -> None:
    guests = GuestUses(Tree.of(company(lending_limit=Ceiling.of(cpu_millis=100))), NOTHING_SHARED)
    guests.add(PoolName("feed"), NEWS, cpu(60))
    guests.add(PoolName("mail"), SHOP, cpu(30))
    assert guests.headroom_refusal(PoolName("mail"), NEWS, cpu(10)) is None
    refusal = guests.headroom_refusal(PoolName("mail"), NEWS, cpu(11))
    assert refusal is not None
    assert (refusal.member, refusal.name, refusal.kind) == (MEDIA, LENDING, "cpu_millis")
    assert (refusal.used, refusal.limit, refusal.asked) == (cpu(90), Ceiling.of(cpu_millis=100), cpu(11))
    assert refusal.excess == cpu(1)


def test_teams_of_a_department_lend_to_one_another_beyond_its_lending_limit() -> None:
    guests = GuestUses(Tree.of(company(lending_limit=Ceiling.of(cpu_millis=0))), NOTHING_SHARED)
    guests.add(PoolName("feed"), MAIL, cpu(500))
    assert guests.headroom_refusal(PoolName("feed"), MAIL, cpu(500)) is None
    assert guests.headroom_refusal(PoolName("feed"), NEWS, cpu(1)) is not None


def test_a_team_borrows_inside_its_department_without_touching_the_departments_borrowing_limit() -> None:
    guests = GuestUses(Tree.of(company(borrowing_limit=Ceiling.of(cpu_millis=100))), NOTHING_SHARED)
    guests.add(PoolName("feed"), MAIL, cpu(500))
    assert guests.used(MEDIA, BORROWING) == NOTHING
    guests.add(PoolName("news"), MAIL, cpu(70))
    guests.add(PoolName("all"), FEED, cpu(30))
    assert guests.used(MEDIA, BORROWING) == cpu(100)
    assert guests.headroom_refusal(PoolName("mail"), FEED, cpu(1)) is None
    refusal = guests.headroom_refusal(PoolName("shop"), FEED, cpu(1))
    assert refusal is not None
    assert (refusal.member, refusal.name) == (MEDIA, BORROWING)


def test_what_is_shared_is_not_lent() -> None:
    tree = Tree.of(company(lending_limit=Ceiling.of(cpu_millis=10)))
    guests = GuestUses(tree, {PoolName("feed"): cpu(50)})
    guests.add(PoolName("feed"), NEWS, cpu(50))
    assert guests.used(MEDIA, LENDING) == NOTHING
    assert guests.headroom_refusal(PoolName("feed"), NEWS, cpu(10)) is None
    assert guests.headroom_refusal(PoolName("feed"), NEWS, cpu(11)) is not None


def test_an_owner_that_grows_into_its_contributed_part_turns_guests_into_borrowers_beyond_the_limit() -> None:
    tree = Tree.of(company(lending_limit=Ceiling.of(cpu_millis=10)))
    guests = GuestUses(tree, {PoolName("feed"): cpu(50)})
    guests.add(PoolName("feed"), NEWS, cpu(50))
    guests.set_shareable(PoolName("feed"), cpu(15))
    (breach,) = guests.breaches()
    assert (breach.member, breach.name, breach.excess) == (MEDIA, LENDING, cpu(25))
    assert guests.relief(breach, PoolName("feed"), NEWS, cpu(20)) == cpu(20)
    assert guests.relief(breach, PoolName("feed"), MAIL, cpu(20)) == NOTHING


def test_a_colleague_is_refused_what_is_shared_where_it_would_turn_outsiders_into_borrowers_beyond_the_limit() -> None:
    tree = Tree.of(company(lending_limit=Ceiling.of(cpu_millis=0)))
    guests = GuestUses(tree, {PoolName("feed"): cpu(50)})
    guests.add(PoolName("feed"), NEWS, cpu(40))
    assert guests.headroom_refusal(PoolName("feed"), MAIL, cpu(10)) is None
    assert guests.headroom_refusal(PoolName("feed"), MAIL, cpu(11)) is not None


def test_cpu_at_its_limit_does_not_block_an_instance_that_asks_for_memory_only() -> None:
    guests = GuestUses(Tree.of(company(lending_limit=Ceiling.of(cpu_millis=100, memory_bytes=64))), NOTHING_SHARED)
    guests.add(PoolName("feed"), NEWS, cpu(130))
    assert guests.headroom_refusal(PoolName("feed"), NEWS, Resources.of(memory_bytes=64)) is None
    refusal = guests.headroom_refusal(PoolName("feed"), NEWS, Resources.of(memory_bytes=65))
    assert refusal is not None
    assert refusal.kind == "memory_bytes"


def test_a_limit_lowered_below_use_says_by_how_much_of_each_kind() -> None:
    guests = GuestUses(Tree.of(company(borrowing_limit=Ceiling.of(cpu_millis=40, gpu=0))), NOTHING_SHARED)
    guests.add(PoolName("news"), FEED, Resources.of(cpu_millis=50, gpu=1))
    (breach,) = guests.breaches()
    assert (breach.member, breach.name) == (MEDIA, BORROWING)
    assert breach.excess == Resources.of(cpu_millis=10, gpu=1)


def test_an_owner_on_its_own_pool_and_what_is_rented_count_toward_nothing() -> None:
    fleet = company(borrowing_limit=Ceiling.of(cpu_millis=0), lending_limit=Ceiling.of(cpu_millis=0))
    rented = replace(fleet, pools=(*fleet.pools, Pool(PoolName("rented"), SITE, cloud=CLOUD)))
    guests = GuestUses(Tree.of(rented), NOTHING_SHARED)
    for pool in (PoolName("feed"), PoolName("rented")):
        assert guests.headroom_refusal(pool, FEED, cpu(500)) is None
        guests.add(pool, FEED, cpu(500))
    assert guests.breaches() == []


def test_two_cohorts_lend_nothing_to_one_another() -> None:
    fleet = Fleet(
        departments=(Department("media", cohort="east"), Department("papers", parent="media", cohort="west")),
        teams=(
            Team(FEED, department="papers"),
            Team(MAIL, department="media", cohort="west"),
            Team(SHOP, cohort="west"),
        ),
        pools=(
            *(pool_of(team) for team in (FEED, MAIL, SHOP)),
            Pool(PoolName("all"), SITE),
            Pool(PoolName("west"), SITE, cohort="west"),
            Pool(PoolName("rented"), SITE, cloud=CLOUD),
        ),
    )
    tree = Tree.of(fleet)
    lent = {team: {pool.name for pool in fleet.pools if tree.lends_to(pool.name, team)} for team in (FEED, MAIL, SHOP)}
    assert lent == {FEED: {"feed", "mail", "all"}, MAIL: {"feed", "mail", "all"}, SHOP: {"shop", "all", "west"}}


def test_a_department_and_a_team_of_one_name_are_two() -> None:
    name = TeamName("media")
    fleet = Fleet(
        departments=(Department("media", borrowing_limit=Ceiling.of(cpu_millis=5)),),
        teams=(Team(name, borrowing_limit=Ceiling.of(cpu_millis=9)),),
        pools=(pool_of(SHOP),),
    )
    guests = GuestUses(Tree.of(fleet), NOTHING_SHARED)
    guests.add(PoolName("shop"), name, cpu(9))
    assert guests.breaches() == []
    refusal = guests.headroom_refusal(PoolName("shop"), name, cpu(1))
    assert refusal is not None
    assert refusal.member == Member(Level.TEAM, "media")


def test_a_nominal_ceiling_cuts_the_last_pools_by_name_at_each_level() -> None:
    fleet = Fleet(
        departments=(Department("media", nominal=Ceiling.of(cpu_millis=100)),),
        teams=(Team(FEED, department="media", nominal=Ceiling.of(cpu_millis=50)), Team(MAIL, department="media")),
        pools=(
            Pool(PoolName("a"), SITE, FEED, contribution_percent=10),
            Pool(PoolName("b"), SITE, FEED, contribution_percent=0),
            Pool(PoolName("c"), SITE, MAIL, contribution_percent=0),
        ),
    )
    healthy = {PoolName(name): Resources.of(cpu_millis=40 if name == "a" else 80, gpu=2) for name in ("c", "b", "a")}
    own = Tree.of(fleet).own_parts(healthy)
    assert [own[PoolName(name)]["cpu_millis"] for name in ("a", "b", "c")] == [36, 14, 50]
    assert [own[PoolName(name)]["gpu"] for name in ("a", "b", "c")] == [2, 2, 2]


def test_a_cycle_of_departments_is_cut_above_its_smallest_name() -> None:
    fleet = Fleet(
        departments=(
            Department("c", parent="b", cohort="west"),
            Department("b", parent="a", cohort="west"),
            Department("a", parent="c", cohort="east", borrowing_limit=Ceiling.of(cpu_millis=5)),
            Department("low", parent="c"),
        ),
        teams=(Team(FEED, department="low"),),
        pools=(pool_of(SHOP),),
    )
    tree = Tree.of(fleet)
    assert tree.cohort_of(FEED) == "east"
    refusal = GuestUses(tree, NOTHING_SHARED).headroom_refusal(PoolName("shop"), FEED, cpu(6))
    assert refusal is not None
    assert refusal.member == Member(Level.DEPARTMENT, "a")


def test_a_department_that_only_leads_into_a_cycle_is_not_where_it_is_cut() -> None:
    fleet = Fleet(
        departments=(
            Department("b", parent="c", cohort="east"),
            Department("c", parent="b", cohort="west"),
            Department("a", parent="c", cohort="low"),
        ),
        teams=(Team(FEED, department="a"), Team(MAIL, department="c")),
    )
    tree = Tree.of(fleet)
    assert tree.cohort_of(FEED) == tree.cohort_of(MAIL) == "east"


def test_a_copy_and_its_original_count_apart() -> None:
    tree = Tree.of(company(lending_limit=Ceiling.of(cpu_millis=10)))
    guests = GuestUses(tree, {PoolName("feed"): cpu(50)})
    guests.copy().add(PoolName("feed"), NEWS, cpu(50))
    assert guests.headroom_refusal(PoolName("feed"), NEWS, cpu(60)) is None
    guests.add(PoolName("feed"), NEWS, cpu(60))
    assert guests.used(MEDIA, LENDING) == cpu(10)

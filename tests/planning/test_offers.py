"""What is rented for what is wanted: prices near the optimum, bounds kept, every refusal with its figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import product

import highspy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.model.events import Reason
from springtide.model.fleet import Budget, Fleet, Link, Offer, Pool
from springtide.model.identifiers import PoolName, ServiceId, SiteName
from springtide.model.resources import total
from springtide.planning.lines import LineLoads, Routes
from springtide.planning.market import Choice, Listing, Market, Want, price_of
from springtide.planning.money import Purse, commitment_of
from springtide.planning.offers import choose_rentals
from tests.builders import START, amount, an_elastic_pool, an_offer

HOME, AWAY = SiteName("home"), SiteName("away")
POOL = an_elastic_pool(max_nodes=1000)


def a_want(name: str, count: int, cpu_millis: int = 50, memory_mib: int = 32, **overrides: object) -> Want:
    return Want(ServiceId(name), amount(cpu_millis, memory_mib), count, **overrides)  # type: ignore[arg-type]


def a_shape(shape: str, price: int, cpu_millis: int = 100, memory_mib: int = 128, **overrides: object) -> Offer:
    resources = amount(cpu_millis, memory_mib)
    fields = {"shape": shape, "price_micros_per_hour": price, "resources": resources, "stock": None, **overrides}
    return an_offer(**fields)


def a_market(*offers: Offer, budgets: tuple[Budget, ...] = (), **overrides: object) -> Market:
    purse = Purse.of(Fleet(budgets=budgets), (), (), START)
    listings = tuple(Listing(POOL, offer) for offer in offers)
    return replace(Market(listings, {}, {}, purse), **overrides)  # type: ignore[arg-type]


def shapes(choice: Choice) -> dict[str, int]:
    return dict(Counter(rental.offer.shape for rental in choice.rentals))


def refusal(choice: Choice, name: str) -> Reason:
    return choice.refusals[ServiceId(name)]


# --- which machine ---


def test_a_large_machine_is_dear_for_one_instance_and_cheap_for_many() -> None:
    market = a_market(a_shape("small", 300), a_shape("large", 900, 400, 512))
    assert shapes(choose_rentals((a_want("web", 2),), market)) == {"small": 1}
    assert shapes(choose_rentals((a_want("web", 8),), market)) == {"large": 1}
    assert shapes(choose_rentals((a_want("web", 10),), market)) == {"large": 1, "small": 1}


def test_what_needs_cpu_and_what_needs_memory_share_a_machine() -> None:
    market = a_market(a_shape("box", 1000, 100, 100))
    choice = choose_rentals((a_want("cpu", 4, 80, 10), a_want("memory", 4, 10, 80)), market)
    assert shapes(choice) == {"box": 4}
    assert all(Counter(rental.contents) == {"cpu": 1, "memory": 1} for rental in choice.rentals)


def test_a_spot_offer_is_cheap_only_where_little_is_lost_when_it_is_taken_away() -> None:
    spot = a_shape("spot", 900, interruptions_percent_per_hour=20, billing_period_seconds=3600, boot_seconds=36.0)
    assert price_of(spot, 2) == 900 + 182  # a fifth of 900 for the period and 9 for the boot, rounded up
    assert price_of(spot, 2, move_cost_micros=100) == 900 + 222
    market = a_market(spot, a_shape("steady", 1100))
    assert shapes(choose_rentals((a_want("web", 2),), market)) == {"spot": 1}
    assert shapes(choose_rentals((a_want("web", 2),), replace(market, move_cost_micros=100))) == {"steady": 1}


@pytest.mark.parametrize(
    ("waited", "fast_price", "chosen"),
    [(0.0, 1001, "slow"), (0.0, 1000, "fast"), (30.0, 1500, "fast"), (30.0, 1501, "slow"), (600.0, 2000, "fast"),
     (600.0, 2001, "slow")],
)  # fmt: skip
def test_who_has_waited_pays_up_to_twice_for_a_machine_that_boots_sooner(
    waited: float, fast_price: int, chosen: str
) -> None:
    market = a_market(a_shape("slow", 1000, boot_seconds=60.0), a_shape("fast", fast_price, boot_seconds=5.0))
    want = a_want("web", 2, is_urgent=True, waited_seconds=waited)
    assert shapes(choose_rentals((want,), market)) == {chosen: 1}
    patient = replace(want, is_urgent=False)
    assert shapes(choose_rentals((patient,), market)) == ({"fast": 1} if fast_price == 1000 else {"slow": 1})


def zones(*names: str) -> tuple[Offer, ...]:
    return tuple(a_shape(f"in-{name}", 1000, labels=(("zone", name),)) for name in names)


def in_zones(choice: Choice) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for rental in choice.rentals:
        counted[dict(rental.offer.labels)["zone"]] += len(rental.contents)
    return dict(counted)


def test_at_the_same_price_machines_are_spread_over_zones() -> None:
    assert in_zones(choose_rentals((a_want("web", 12),), a_market(*zones("a", "b", "c")))) == {"a": 4, "b": 4, "c": 4}


def test_where_it_is_asked_instances_are_spread_over_dearer_zones_too_what_stands_counts_and_room_decides() -> None:
    dear = replace(zones("b")[0], price_micros_per_hour=1500)
    market = a_market(*zones("a"), dear)
    assert in_zones(choose_rentals((a_want("web", 8),), market)) == {"a": 8}
    spread = a_want("web", 8, spread="zone")
    assert in_zones(choose_rentals((spread,), market)) == {"a": 4, "b": 4}
    assert in_zones(choose_rentals((replace(spread, standing={"a": 4}),), market)) == {"a": 2, "b": 6}
    scarce = replace(market, stock_left={(dear.cloud, dear.shape): 1})
    assert in_zones(choose_rentals((spread,), scarce)) == {"a": 6, "b": 2}


def test_constraints_limits_a_node_and_enmity_between_services_are_kept() -> None:
    def only_b(_pool: Pool, offer: Offer) -> Reason | None:
        return None if dict(offer.labels).get("zone") == "b" else Reason("constraint", "Only in b.")

    market = a_market(*zones("a", "b"))
    assert in_zones(choose_rentals((a_want("web", 3, refusal_of=only_b),), market)) == {"b": 3}
    assert refusal(choose_rentals((a_want("web", 3, refusal_of=only_b),), a_market(*zones("a"))), "web").code == (
        "constraint"
    )
    assert len(choose_rentals((a_want("web", 3, max_per_node=1),), market).rentals) == 3
    foes = (a_want("web", 1), a_want("cache", 1, apart=frozenset({ServiceId("web")})))
    assert len(choose_rentals(foes, market).rentals) == 2


# --- bounds, and what is said at them ---


def test_every_bound_is_kept_and_named() -> None:
    small, wants = a_shape("small", 1_000_000, billing_period_seconds=3600), (a_want("web", 9),)
    cases = {
        "node-limit": a_market(small, nodes_left={POOL.name: 2}),
        "out-of-stock": a_market(small, stock_left={(small.cloud, "small"): 2}),
        "budget-spent": a_market(small, budgets=(Budget("hour", 2_500_000),)),
    }
    for code, market in cases.items():
        choice = choose_rentals(wants, market)
        assert (code, len(choice.rentals), choice.missing) == (refusal(choice, "web").code, 2, {"web": 5})
    spent = refusal(choose_rentals(wants, cases["budget-spent"]), "web")
    assert spent.figure("committed_micros") == 2_000_000
    assert market.purse.committed(Budget("hour", 2_500_000)) == 0  # nothing that was given has been changed


def test_what_fits_nowhere_and_what_nobody_rents_for_is_said() -> None:
    choice = choose_rentals((a_want("huge", 1, 1000), a_want("web", 2)), a_market(a_shape("small", 1000)))
    assert refusal(choice, "huge").code == "larger-than-offer"
    assert (shapes(choice), choice.missing) == ({"small": 1}, {"huge": 1})
    assert refusal(choose_rentals((a_want("web", 1),), a_market()), "web").code == "no-cloud"


def test_where_one_cloud_has_refused_another_is_rented_and_the_nearest_obstacle_is_named() -> None:
    refused = Listing(POOL, a_shape("small", 1000), Reason("cloud-refused", "Asked again soon."))
    market = a_market(a_shape("dear", 3000), a_shape("tiny", 10, 10))
    both = replace(market, listings=(refused, *market.listings))
    assert shapes(choose_rentals((a_want("web", 2),), both)) == {"dear": 1}
    gone = replace(both, stock_left={(refused.offer.cloud, "dear"): 0})
    assert refusal(choose_rentals((a_want("web", 2),), gone), "web").code == "cloud-refused"


def test_no_more_is_rented_than_the_line_carries_pulls_included() -> None:
    link = Link((HOME, AWAY), 100, pull_bits_per_second=20)
    lines = LineLoads(Routes.of((link,)), START)
    want = a_want("web", 9, home=HOME, load=(5, 10))
    choice = choose_rentals((want,), a_market(a_shape("small", 1000), lines=lines))
    assert [len(rental.contents) for rental in choice.rentals] == [2, 2]  # each pulls 20 and takes 2 x 10
    assert refusal(choice, "web").code == "line-full"
    assert lines.overloads() == ()
    nowhere = choose_rentals((replace(want, home=SiteName("island")),), a_market(a_shape("small", 1000), lines=lines))
    assert refusal(nowhere, "web").code == "no-line"


@dataclass(frozen=True)
class Case:
    """Offers as (room, price) and wants as (size, count), two kinds each."""

    offers: tuple[tuple[tuple[int, int], int], ...]
    wants: tuple[tuple[tuple[int, int], int], ...]

    def market(self, **overrides: object) -> Market:
        each = (a_shape(f"s{n}", price, *room) for n, (room, price) in enumerate(self.offers))
        return a_market(*each, **overrides)  # type: ignore[arg-type]

    def asked(self) -> tuple[Want, ...]:
        return tuple(a_want(f"w{n}", count, *size) for n, (size, count) in enumerate(self.wants))

    def rent(self) -> int:
        choice = choose_rentals(self.asked(), self.market())
        assert not choice.missing
        return sum(rental.offer.price_micros_per_hour for rental in choice.rentals)

    def loads(self) -> dict[tuple[int, ...], int]:
        """Every load that some machine can carry, at the least price of one that can."""
        prices: dict[tuple[int, ...], int] = {}
        for load in product(*(range(count + 1) for _, count in self.wants)):
            needs = [sum(n * size[kind] for n, (size, _) in zip(load, self.wants, strict=True)) for kind in (0, 1)]
            able = [price for room, price in self.offers if needs[0] <= room[0] and needs[1] <= room[1]]
            if any(load) and able:
                prices[load] = min(able)
        return prices


def cases(most_wants: int, most_count: int, most_offers: int) -> st.SearchStrategy[Case]:
    room = st.tuples(st.sampled_from((100, 200, 400)), st.sampled_from((100, 200, 400, 800)))
    size = st.tuples(st.integers(5, 100), st.integers(5, 100))
    return st.builds(
        Case,
        st.lists(st.tuples(room, st.integers(1_000, 20_000)), min_size=1, max_size=most_offers).map(tuple),
        st.lists(st.tuples(size, st.integers(1, most_count)), min_size=1, max_size=most_wants).map(tuple),
    )


def least_rent_by_counting(case: Case) -> int:
    """Every way there is to share the wants out over machines."""
    loads = case.loads()
    best = {(0,) * len(case.wants): 0}
    for state in product(*(range(count + 1) for _, count in case.wants)):
        if any(state):
            best[state] = min(
                best[tuple(max(0, have - taken) for have, taken in zip(state, load, strict=True))] + price
                for load, price in loads.items()
                if any(have and taken for have, taken in zip(state, load, strict=True))
            )
    return best[tuple(count for _, count in case.wants)]


def least_rent_by_highs(case: Case) -> int:
    """The cheapest whole number of machines of each load that cover the wants."""
    loads = case.loads()
    model = highspy.Highs()  # type: ignore[no-untyped-call]
    model.setOptionValue("output_flag", False)
    model.setOptionValue("mip_rel_gap", 0.0)
    whole = highspy.HighsVarType.kInteger
    machines = [model.addVariable(lb=0, ub=100, obj=price, type=whole) for price in loads.values()]
    for number, (_, count) in enumerate(case.wants):
        carried = [load[number] * each for load, each in zip(loads, machines, strict=True) if load[number]]
        model.addConstr(sum(carried[1:], carried[0] + 0) >= count)
    model.run()
    return round(model.getInfo().objective_function_value)


@given(cases(2, 3, 3))
def test_on_tiny_fleets_the_rent_is_the_least_there_is(case: Case) -> None:
    assert case.rent() == least_rent_by_counting(case)


@given(cases(4, 4, 4))
def test_on_small_fleets_the_rent_is_near_the_optimum(case: Case) -> None:
    least = least_rent_by_highs(case)
    assert least <= case.rent() <= 1.25 * least


@given(cases(3, 3, 3))
def test_both_measures_of_the_optimum_agree(case: Case) -> None:
    assert least_rent_by_highs(case) == least_rent_by_counting(case)


@given(cases(5, 12, 4), st.integers(0, 6), st.integers(0, 6), st.integers(0, 4_000))
def test_no_machine_no_pool_no_stock_and_no_budget_is_exceeded_and_all_that_is_missing_is_explained(
    case: Case, nodes: int, stock: int, limit: int
) -> None:
    budgets, stocks = (Budget("day", limit),), {(an_offer().cloud, "s0"): stock}
    market = case.market(budgets=budgets, nodes_left={PoolName("burst"): nodes}, stock_left=stocks, drain_seconds=2)
    wants = {want.service: want for want in case.asked()}
    choice = choose_rentals(tuple(wants.values()), market)
    assert len(choice.rentals) <= nodes
    assert shapes(choice).get("s0", 0) <= stock
    assert sum(commitment_of(rental.offer, 2) for rental in choice.rentals) <= limit
    carried: Counter[ServiceId] = Counter()
    for rental in choice.rentals:
        assert rental.contents
        assert total(wants[each].resources for each in rental.contents).fits_in(rental.offer.resources)
        carried.update(rental.contents)
    for service, want in wants.items():
        assert carried[service] + choice.missing.get(service, 0) == want.count
    assert choice.refusals.keys() == choice.missing.keys()


@given(cases(4, 6, 4))
def test_the_order_of_wants_and_offers_does_not_matter(case: Case) -> None:
    market = case.market()
    turned = replace(market, listings=market.listings[::-1])
    assert choose_rentals(case.asked(), market) == choose_rentals(case.asked()[::-1], turned)

"""What owners and guests use of each pool as a plan goes on, and what quotas leave them.

Production and batch are *firm*: they count toward what a pool shares and lends, and toward the limits
of teams and departments. Best-effort may use all that is idle and counts toward nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from springtide.model.fleet import Pool
from springtide.model.identifiers import PoolName, ServiceId, TeamName
from springtide.model.leases import Rung
from springtide.model.mappings import thawed
from springtide.model.placements import Placement
from springtide.model.resources import NOTHING, Resources
from springtide.model.workloads import Band, Service
from springtide.planning import quota
from springtide.planning.guest_uses import Breach, GuestUses
from springtide.planning.quota_tree import LimitName, Member, Tree
from springtide.planning.tally import Tally

LOWEST = Band.BEST_EFFORT


@dataclass(frozen=True, slots=True)
class RoomLeft:
    """What quotas leave one more guest: of what is shared, and of all that it may use. May be negative."""

    shared: Resources
    most: Resources


@dataclass(frozen=True, slots=True)
class Gone:
    """Guests of a pool that are supposed to have left it: all, the firm ones, and of both what is leaving anyway."""

    everybody: Resources = NOTHING
    firm: Resources = NOTHING
    leaving: Resources = NOTHING
    leaving_firm: Resources = NOTHING


NOBODY = Gone()


class GoneGuest(NamedTuple):
    """A firm guest that is supposed to have left: its team, its amount, and whether it is leaving anyway."""

    team: TeamName
    amount: Resources
    is_leaving: bool


@dataclass(slots=True)
class PoolQuotas:
    """Uses by pool, and the quotas that follow from them.

    ``versions`` counts by pool how often anything there has changed in this plan: what was worked out
    about a pool holds as long as its version does.
    """

    pools: Mapping[PoolName, Pool]
    services: Mapping[ServiceId, Service]
    healthy: dict[PoolName, Resources]
    tree: Tree
    uses: GuestUses
    versions: dict[PoolName, int] = field(default_factory=dict)
    changes: int = 0
    """How often anything has changed anywhere."""
    owner_use: dict[PoolName, Resources] = field(default_factory=dict)
    guest_use: dict[PoolName, Resources] = field(default_factory=dict)
    band_use: dict[tuple[PoolName, Band], Resources] = field(default_factory=dict)
    """What guests of one band use of a pool."""
    _owner_leaving: dict[PoolName, Resources] = field(default_factory=dict)
    _promised_own: dict[PoolName, Resources] = field(default_factory=dict)
    _guests_leaving: dict[tuple[PoolName, bool], Resources] = field(default_factory=dict)
    """By pool, of those that are firm and of those that aren't."""
    _guests_promised: dict[tuple[PoolName, bool], Resources] = field(default_factory=dict)
    _leaving_of: dict[tuple[PoolName, TeamName], Resources] = field(default_factory=dict)
    """Of firm guests, by team."""
    _kept_shared: set[tuple[PoolName, bool]] = field(default_factory=set)
    """Pools in which a firm guest, or another, has room promised that may stand on the shared part only."""
    awaited_as_borrowed: set[PoolName] = field(default_factory=set)
    """Pools in which a guest has room promised that may not stand on the shared part, which others fill now."""
    _uses_to_come: GuestUses | None = None
    """The uses once what leaves has left and what is promised has come; ``None`` while no guest has a promise."""
    _own_parts: dict[PoolName, Resources] = field(default_factory=dict)
    _known_quotas: dict[tuple[PoolName, bool], tuple[int, Resources]] = field(default_factory=dict)
    _known_room: dict[tuple[PoolName, bool], tuple[int, RoomLeft]] = field(default_factory=dict)
    _uncounted: set[PoolName] = field(default_factory=set)
    """Pools of which limits don't know yet what they share now."""

    @classmethod
    def start(cls, tally: Tally, healthy: dict[PoolName, Resources]) -> PoolQuotas:
        """As all that stands uses pools; what limits know of what pools share isn't worked out yet."""
        tree = tally.layout.tree
        return cls(
            tally.layout.pools,
            tally.services,
            healthy,
            tree,
            tally.uses.copy(),
            owner_use=thawed(tally.owner_use),
            guest_use=thawed(tally.guest_use),
            band_use=thawed(tally.band_use),
            _uncounted=set(tree.pools),
        )

    def know_shared(self, shared: Mapping[PoolName, Resources]) -> None:
        """What firm guests may use of what pools share, where that is known before anything changes."""
        self._known_quotas.update({(pool, False): (0, amount) for pool, amount in shared.items()})

    def touch(self, pool: PoolName) -> None:
        """What was worked out about the pool no longer holds."""
        self.versions[pool] = self.versions.get(pool, 0) + 1
        self.changes += 1
        self._uncounted.add(pool)

    def change_healthy(self, pool: PoolName, by: Resources) -> None:
        """A node comes, or with negative amounts goes."""
        self.healthy[pool] = self.healthy.get(pool, NOTHING) + by
        if pool in self.tree.pools and by:
            self._own_parts = {}
            for each in self.tree.pools:
                self.touch(each)
        self.touch(pool)

    def count(self, pool: PoolName, service_id: ServiceId, amount: Resources) -> None:
        """So much more of a service stands in a pool, or with negative amounts less; until it is seen gone."""
        service = self.services.get(service_id)
        if self.is_own(service_id, pool):
            self.owner_use[pool] = self.owner_use.get(pool, NOTHING) + amount
        else:
            band = service.band if service is not None else Band.PRODUCTION
            self.guest_use[pool] = self.guest_use.get(pool, NOTHING) + amount
            self.band_use[pool, band] = self.band_use.get((pool, band), NOTHING) + amount
            if service is not None and band is not LOWEST and self.tree.limits:
                for uses in self._all_uses():
                    uses.add(pool, service.team, amount)
        self.touch(pool)

    def count_leaving(self, pool: PoolName, service: ServiceId, amount: Resources) -> None:
        """So much more of a service is about to leave, or with negative amounts less."""
        if self.is_own(service, pool):
            self._owner_leaving[pool] = self._owner_leaving.get(pool, NOTHING) + amount
        else:
            key = pool, self.is_firm(service)
            self._guests_leaving[key] = self._guests_leaving.get(key, NOTHING) + amount
            self._count_leaving_of(pool, service, amount)
        self.touch(pool)

    def promise(self, pool: PoolName, service: Service) -> None:
        """One instance has room promised in a pool."""
        if self.pools[pool].is_owned_by(service.team):
            self._promised_own[pool] = self._promised_own.get(pool, NOTHING) + service.resources
        else:
            key = pool, service.band is not LOWEST
            self._guests_promised[key] = self._guests_promised.get(key, NOTHING) + service.resources
            if Rung.BORROWED not in service.ladder:
                self._kept_shared.add(key)
            if Rung.SHARED not in service.ladder:
                self.awaited_as_borrowed.add(pool)
            if self._is_limited(service, pool):
                self._uses_once_all_have_come().add(pool, service.team, service.resources)
        self.touch(pool)

    def is_own(self, service_id: ServiceId, pool_name: PoolName) -> bool:
        """Whether a service's instances in a pool are its owner's."""
        service, pool = self.services.get(service_id), self.pools.get(pool_name)
        return service is not None and pool is not None and pool.is_owned_by(service.team)

    def is_firm(self, service_id: ServiceId) -> bool:
        """Whether it counts toward what pools lend: all but best-effort, also what nobody wants any more."""
        service = self.services.get(service_id)
        return service is None or service.band is not LOWEST

    def own_part(self, pool: PoolName) -> Resources:
        """The nominal quota that a pool gives its team."""
        if not self._own_parts:
            self._own_parts = self.tree.own_parts(self.healthy)
        return self._own_parts.get(pool, NOTHING)

    def owner_claim(self, pool: PoolName) -> Resources:
        """The most that the owner uses of its pool, now or once what leaves has left and what is promised has come."""
        coming = self._promised_own.get(pool, NOTHING) - self._owner_leaving.get(pool, NOTHING)
        return self.owner_use.get(pool, NOTHING) + coming.at_least_zero()

    def owner_use_staying(self, pool: PoolName) -> Resources:
        """What the owner uses once what leaves has left, were nothing to come."""
        return self.owner_use.get(pool, NOTHING) - self._owner_leaving.get(pool, NOTHING)

    def idle(self, pool: PoolName) -> Resources:
        """What of a pool its owner doesn't claim."""
        return (self.healthy.get(pool, NOTHING) - self.owner_claim(pool)).at_least_zero()

    def guest_quota(self, pool: PoolName, *, may_borrow: bool) -> Resources:
        """What all firm guests of a pool may use, once the owner has what it claims."""
        version, known = self._known_quotas.get((pool, may_borrow), (-1, NOTHING))
        now = self.versions.get(pool, 0)
        if version != now:
            healthy, own = self.healthy.get(pool, NOTHING), self.own_part(pool)
            known = quota.guest_quota(self.pools[pool], own, healthy, self.owner_claim(pool), may_borrow=may_borrow)
            self._known_quotas[pool, may_borrow] = now, known
        return known

    def firm_use(self, pool: PoolName) -> Resources:
        """What firm guests use of a pool."""
        production = self.band_use.get((pool, Band.PRODUCTION), NOTHING)
        return production + self.band_use.get((pool, Band.BATCH), NOTHING)

    def guest_claim(self, pool: PoolName, left: Resources = NOTHING) -> Resources:
        """The most that guests use of a pool, now or once what leaves has left and what is promised has come.

        ``left``: so much of what leaves is accounted for already.
        """
        promised = self._guests_promised.get((pool, True), NOTHING) + self._guests_promised.get((pool, False), NOTHING)
        leaving = self._guests_leaving.get((pool, True), NOTHING) + self._guests_leaving.get((pool, False), NOTHING)
        return self.guest_use.get(pool, NOTHING) + (promised - (leaving - left)).at_least_zero()

    def firm_claim(self, pool: PoolName, left: Resources = NOTHING) -> Resources:
        """The same of firm guests."""
        promised = self._guests_promised.get((pool, True), NOTHING)
        leaving = self._guests_leaving.get((pool, True), NOTHING)
        return self.firm_use(pool) + (promised - (leaving - left)).at_least_zero()

    def room_left(self, pool: PoolName, band: Band) -> RoomLeft:
        """What the pool's quotas leave one more guest of a band."""
        key, now = (pool, band is LOWEST), self.versions.get(pool, 0)
        known = self._known_room.get(key)
        if known is None or known[0] != now:
            known = self._known_room[key] = now, self.room_left_without(pool, band, NOBODY)
        return known[1]

    def room_left_without(self, pool: PoolName, band: Band, gone: Gone) -> RoomLeft:
        """The same once some guests have left."""
        everybody = self.guest_claim(pool, gone.leaving) - gone.everybody
        firm = self.firm_claim(pool, gone.leaving_firm) - gone.firm
        idle, shared = self.idle(pool) - everybody, self.guest_quota(pool, may_borrow=False)
        # Whoever comes first stands on the shared part, so nobody borrows before one who may only stand there has come.
        may_borrow = not self._kept_shared.intersection({(pool, False), (pool, band is not LOWEST)})
        if band is LOWEST:
            return RoomLeft(shared - everybody, idle if may_borrow else idle.at_most(shared - everybody))
        lent = self.guest_quota(pool, may_borrow=may_borrow) - firm
        return RoomLeft(shared - firm, idle.at_most(lent))

    def excess(self, pool: PoolName) -> tuple[Resources, Resources]:
        """By how much a pool's guests are above what they may use: the firm ones, and all together.

        As after a limit was lowered, or when the owner grows.
        """
        everybody = self.guest_use.get(pool)
        if not everybody or self.pools[pool].is_elastic:
            return NOTHING, NOTHING
        firm = self.firm_use(pool) - self.guest_quota(pool, may_borrow=True)
        return firm.at_least_zero(), (everybody - self.idle(pool)).at_least_zero()

    def has_headroom(self, service: Service, pool: PoolName) -> bool:
        """Whether the limits of teams and departments allow one more guest, now and once all have come and gone."""
        if not self._is_limited(service, pool):
            return True
        self._count_shareable()
        return all(uses.has_headroom(pool, service.team, service.resources) for uses in self._all_uses())

    def headroom_refusal(self, service: Service, pool: PoolName, gone: Sequence[GoneGuest] = ()) -> Breach | None:
        """The first limit of a team or department that one more guest would break once those are gone."""
        if not self._is_limited(service, pool):
            return None
        self._count_shareable()
        for uses in self._all_uses():
            left = [each for each in gone if uses is self.uses or not each.is_leaving]
            for each in left:
                uses.remove(pool, each.team, each.amount)
            breach = uses.headroom_refusal(pool, service.team, service.resources)
            for each in left:
                uses.add(pool, each.team, each.amount)
            if breach is not None:
                return breach
        return None

    def breaches(self) -> list[Breach]:
        """The limits of teams and departments that are broken now."""
        if not self.tree.limits:
            return []
        self._count_shareable()
        return self.uses.breaches()

    def used(self, member: Member, name: LimitName) -> Resources:
        """What counts toward a limit of a team or department now, of the kinds that it limits."""
        if self.tree.limits:
            self._count_shareable()
        return self.uses.used(member, name)

    def limits_left(self) -> tuple[int, ...] | None:
        """What each limit of the tree has left now, by number; ``None`` while guests have room promised."""
        if self._uses_to_come is not None:
            return None
        if self.tree.limits:
            self._count_shareable()
        return self.uses.left

    def relief(self, breach: Breach, guest: Placement) -> Resources:
        """How much of a broken limit this guest's leaving would bring back."""
        service = self.services.get(guest.service)
        if service is None or service.band is LOWEST or self.is_own(guest.service, guest.pool):
            return NOTHING
        return self.uses.relief(breach, guest.pool, service.team, guest.resources)

    def _is_limited(self, service: Service, pool: PoolName) -> bool:
        """Best-effort ignores limits, and owners at home borrow nothing."""
        return bool(self.tree.limits) and service.band is not LOWEST and not self.pools[pool].is_owned_by(service.team)

    def _all_uses(self) -> tuple[GuestUses, ...]:
        return (self.uses,) if self._uses_to_come is None else (self.uses, self._uses_to_come)

    def _uses_once_all_have_come(self) -> GuestUses:
        if self._uses_to_come is None:
            self._uses_to_come = self.uses.copy()
            for (pool, team), amount in self._leaving_of.items():
                self._uses_to_come.remove(pool, team, amount)
        return self._uses_to_come

    def _count_leaving_of(self, pool: PoolName, service_id: ServiceId, amount: Resources) -> None:
        service = self.services.get(service_id)
        if service is None or not self._is_limited(service, pool):
            return
        key = pool, service.team
        self._leaving_of[key] = self._leaving_of.get(key, NOTHING) + amount
        if self._uses_to_come is not None:
            self._uses_to_come.remove(pool, service.team, amount)

    def _count_shareable(self) -> None:
        """Let the limits know what pools share now; what an owner overflows into is no longer shared."""
        if not self._uncounted:
            return
        for pool in self._uncounted & self.tree.pools.keys():
            for uses in self._all_uses():
                uses.set_shareable(pool, self.guest_quota(pool, may_borrow=False))
        self._uncounted.clear()

"""The arithmetic of pools: small exact functions whose names state the rule. All amounts per kind.

A team pool's healthy allocatable splits into an own part and a contributed part. The owner fills
own first, then contributed; guests fill what is left of contributed, then idle own up to the
lending limit. A company pool is contributed as a whole. How limits of teams and departments cut the
own part of their pools is the affair of ``quota_tree``.
"""

from __future__ import annotations

from springtide.model.fleet import Pool
from springtide.model.resources import Resources


def own_part(pool: Pool, healthy: Resources) -> Resources:
    """The team's nominal quota."""
    return healthy - pool.contributed_of(healthy)


def lending_limit(pool: Pool, own: Resources) -> Resources:
    """The most of the own part that guests may borrow while it is idle."""
    if pool.lending_limit is None:
        return own
    return own.at_most(pool.lending_limit)


def shareable_left(own: Resources, healthy: Resources, owner_use: Resources) -> Resources:
    """What of the contributed part is left for guests once the owner has overflowed into it."""
    overflow = (owner_use - own).at_least_zero()
    return (healthy - own - overflow).at_least_zero()


def guest_quota(pool: Pool, own: Resources, healthy: Resources, owner_use: Resources, *, may_borrow: bool) -> Resources:
    """The most that all guests together may use, with or without borrowing.

    Borrowing ends where the owner's own use begins: idle own capacity only.
    """
    shared = shareable_left(own, healthy, owner_use)
    if not may_borrow:
        return shared
    idle_own = (own - owner_use).at_least_zero()
    return shared + lending_limit(pool, own).at_most(idle_own)


def is_own(own: Resources, owner_use_before: Resources, amount: Resources) -> bool:
    """Whether the owner's next instance stays within the own part; one that straddles is shared."""
    return amount.fits_in(own - owner_use_before)

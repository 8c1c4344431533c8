"""Within a team: which service is next."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from springtide.model.identifiers import ServiceId
from springtide.planning.draft import Draft


def service_order(draft: Draft, id: ServiceId, served: int) -> tuple[int, Fraction, ServiceId]:
    """Within a team: band first, then the lowest served fraction of the wanted count."""
    wanted = max(1, draft.demands[id].count)
    return draft.service(id).band.order, Fraction(served, wanted), id


def neediest_first(draft: Draft, wants: Mapping[ServiceId, int]) -> list[ServiceId]:
    """One entry for each wanted instance of one team, in the order in which they are served."""
    served = {id: draft.demands[id].count - want for id, want in wants.items()}
    left = dict(wants)
    order: list[ServiceId] = []
    while left:
        id = min(left, key=lambda each: service_order(draft, each, served[each]))
        order.append(id)
        served[id] += 1
        left[id] -= 1
        if left[id] == 0:
            del left[id]
    return order

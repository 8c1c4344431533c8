"""A high tide that flows on: with loads, stock and counters, so that it can be played forward."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

from springtide.model.identifiers import CloudName
from springtide.model.observations import RouterView, ServiceLoad
from springtide.model.record import Change, Kind
from springtide.planning.index import advance
from tests.api.platforms import FEED, REDPACKET, HandMadePlatform

RATES = {FEED: 50, REDPACKET: 290}
"""Requests a second, which the instances of the high tide just carry."""


async def keep_flowing(tide: HandMadePlatform) -> None:
    """Let requests have arrived for some seconds, clouds offer what the fleet file says, and no number come twice."""
    await tide.write(*(Change(Kind.ORDINAL, id, 100) for id in (FEED, REDPACKET, "rental:burst")))
    (cloud,) = tide.record.fleet.clouds
    view = replace(tide.index.clouds[CloudName(cloud.name)], offers=cloud.offers)
    tide.index = replace(tide.index, router=None, clouds=MappingProxyType({cloud.name: view}))
    looks = []
    for second in range(8, -1, -1):
        arrived = tuple((id, ServiceLoad(requests=rate * (100 - second))) for id, rate in sorted(RATES.items()))
        looks.append(RouterView(tide.moment - timedelta(seconds=second), "g1", arrived, ()))
    tide.index = advance(tide.index, looks)
    tide.explain()

"""Clouds of a fleet file and their offers."""

from __future__ import annotations

from springtide.formats.durations import parse_term
from springtide.formats.entries import Entry
from springtide.formats.fleet_amounts import bounded, read_slice
from springtide.formats.fleet_labels import read_labels
from springtide.formats.fleet_sites import site_of
from springtide.formats.quantities import format_money, parse_percent_per_hour, parse_price
from springtide.model.fleet import Cloud, CloudFaults, Offer, Site
from springtide.model.identifiers import CloudName

_DEFAULT_BILLING_PERIOD_SECONDS = 3600


def read_clouds(root: Entry, sites: tuple[Site, ...]) -> tuple[Cloud, ...]:
    """The clouds with their offers. Raises the file's error for a site that isn't a cloud's."""
    section = root.get("clouds")
    clouds = section.mapping() if section else {}
    return tuple(_read_cloud(CloudName(name), entry, sites, root) for name, entry in clouds.items())


def _read_cloud(name: CloudName, entry: Entry, sites: tuple[Site, ...], root: Entry) -> Cloud:
    site = site_of(entry, sites, root, cloud=True)
    if not site.is_cloud:
        declared = root.mapping()["sites"].mapping()[site.name]
        raise entry.mapping()["site"].error(
            f"The cloud {name!r} stands at {site.name!r}, which line {declared.line} doesn't mark as a cloud's site.",
            f"Write `{site.name}: {{cloud: true}}` there, or name another site here.",
        )
    offers = entry.mapping()["offers"].mapping()
    return Cloud(
        name,
        kind=entry.mapping()["kind"].text(),
        site=site.name,
        offers=tuple(_read_offer(name, shape, offer) for shape, offer in offers.items()),
        faults=_read_faults(entry.get("faults")),
    )


def _read_offer(cloud: CloudName, shape: str, entry: Entry) -> Offer:
    boot, stock = entry.get("boot"), entry.get("stock")
    return Offer(
        cloud,
        shape,
        resources=read_slice(entry),
        price_micros_per_hour=read_price(entry.mapping()["price"]),
        billing_period_seconds=_billing_period(entry.get("billing_period")),
        boot_seconds=0.0 if boot is None else boot.parsed(parse_term),
        stock=None if stock is None else stock.whole_number(),
        labels=read_labels(entry),
        interruptions_percent_per_hour=_interruptions(entry.get("interruptions")),
    )


def read_price(entry: Entry) -> int:
    """Millionths of the currency per hour. Raises the file's error for an absurd price."""
    return bounded(entry, entry.parsed(parse_price), lambda micros: f"{format_money(micros)}/h")


def _interruptions(entry: Entry | None) -> int:
    if entry is None:
        return 0
    percent = entry.parsed(parse_percent_per_hour)
    if percent > 100:
        raise entry.error(f"No more than all machines can be taken away, and {percent}% are more.", "Write 5%/h, say.")
    return percent


def _billing_period(entry: Entry | None) -> int:
    if entry is None:
        return _DEFAULT_BILLING_PERIOD_SECONDS
    seconds = entry.parsed(parse_term)
    if seconds < 1 or seconds != int(seconds):
        raise entry.error(f"A billing period must be whole seconds, at least one, not {seconds:g}s.", "Write 60s, say.")
    return int(seconds)


def _read_faults(entry: Entry | None) -> CloudFaults:
    if entry is None:
        return CloudFaults()
    out_of_stock, fail_every = entry.get("out_of_stock"), entry.get("fail_every")
    return CloudFaults(
        out_of_stock=out_of_stock is not None and out_of_stock.truth(),
        fail_every=0 if fail_every is None else fail_every.whole_number(),
    )

"""``why``: what a service should have, what it holds, what refuses more, and who of it must leave for whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from springtide.cli.last_words import last_words
from springtide.cli.names import choose_service
from springtide.cli.options import HomeOption, JsonOption, client_of
from springtide.cli.state import service_ids
from springtide.cli.tables import clock, kind_name, percent, print_json


def add_commands(app: typer.Typer) -> None:
    app.command()(why)


def why(
    service: Annotated[str, typer.Argument(help="web, or feed/web.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why a service has the count it has, what stands in the way of more, and who must leave for whom."""
    client = client_of(home)
    app, _, name = choose_service(service, service_ids(client.get("services"))).partition("/")
    seen = client.get("why", app, name)
    if as_json:
        print_json(seen)
        return
    for line in why_lines(seen):
        typer.echo(line)
    failure = seen["run"] and seen["run"]["last_failure"]
    for line in last_words(client, failure["instance"]) if failure else ():
        typer.echo(f"  {line}")


def why_lines(seen: dict[str, Any]) -> list[str]:
    """The answer in sentences, the most telling first."""
    return [seen["sentence"], *_standing(seen), *_refusals(seen), *_troubles(seen), *_leaving(seen)]


def _standing(seen: dict[str, Any]) -> Iterator[str]:
    yield f"  demand: {seen['demand']['sentence']}"
    for each in seen["holdings"]:
        yield f"  holds:  {each['count']} {each['rung']} on pool {each['pool']}"
    yield from _rollout(seen["rollout"])
    yield f"  band:   {seen['band']}; at least {seen['available']} stay available while guests are moved"
    if opened := seen["weakenings"]:
        yield f"  opens:  more than an ordinary container has: {', '.join(opened)}"
    if rules := placement_words(seen["placement"]):
        yield f"  placed: {rules}"
    if share := seen["share"]:
        yield f"  share:  {share_words(share)}"
    if standby := seen["standby"]:
        yield f"  standby: {standby_words(standby)}"
    if held := seen["held"]:
        yield f"  held:   only owners may move {held['count']} of them before {clock(held['until'])}"


def _rollout(rollout: dict[str, Any]) -> Iterator[str]:
    """Where a new revision, or a restart, has yet to replace some."""
    if rollout["outdated"]:
        still = f"{rollout['outdated']} of another revision, or from before a restart, are to be replaced"
        serving = f"{rollout['serving_outdated']} of them serve meanwhile"
        yield f"  new:    {rollout['ready']} of {rollout['revision']} are ready; {still}, {serving}"


def _refusals(seen: dict[str, Any]) -> Iterator[str]:
    for each in seen["refusals"]:
        label = "waits" if each["code"] == "waits-for-room" else "why not more"
        yield f"  {label}: {each['sentence']}"
    if seen["missing"] or seen["waiting"]:
        yield f"  {seen['missing']} have no place, {seen['waiting']} have one promised that isn't free yet."


def _troubles(seen: dict[str, Any]) -> Iterator[str]:
    if (run := seen["run"]) and run["last_failure"]:
        row = f", the last of {run['failures']} in a row" if run["failures"] > 1 else ""
        yield f"  failed: {run['last_failure']['sentence']} at {clock(run['last_failure']['ended_at'])}{row}"
    for each in seen["not_ready"]:
        yield f"  {each['id']} is {each['readiness']}: {each['detail'] or 'not probed yet'}"
        yield from (f"    {failure['sentence']}" for failure in each["failures"])
    if seen["crashes"]:
        yield f"  {seen['crashes']['count']} instances in a row failed: {seen['crashes']['detail']}"


def _leaving(seen: dict[str, Any]) -> Iterator[str]:
    for each in seen["leaving"]:
        eviction = each["eviction"]
        reason = eviction["sentence"] if eviction else "not needed any more"
        gone_by = each["gone_by"] or (eviction and eviction["gone_by"])
        deadline = f" Gone by {clock(gone_by)}." if gone_by else ""
        yield f"  {each['id']} leaves: {reason}{deadline}"


def share_words(share: dict[str, Any]) -> str:
    """``team feed uses 31% of the cpu that its cohort lends (fair: 50%), share 0.31 at weight 1``."""
    whose = f"cohort {share['cohort']} lends" if share["cohort"] else "teams lend one another"
    fair = f"fair: {percent(share['fair_part'])}, by weight {share['weight']}"
    if share["dominant"] is None:
        return f"team {share['team']} uses nothing of what {whose} ({fair})"
    used = f"{percent(share['part'])} of the {kind_name(share['dominant'])} that {whose}"
    return f"team {share['team']} uses {used} ({fair})"


def standby_words(standby: dict[str, Any]) -> str:
    """``2 of 4 are paused, 1 is starting; no node has room for one more that could serve.``."""
    starting = f", {standby['starting']} starting" if standby["starting"] else ""
    reason = f"; not more: {standby['reason']['sentence']}" if standby["reason"] else ""
    return f"{standby['paused']} of {standby['wished']} paused{starting}{reason}"


def placement_words(rules: dict[str, Any]) -> str:
    """``zone==a; at most 2 a node; apart from feed/db (by rack)``; nothing where there are no rules."""
    domain = "" if rules["domain"] == "node" else f" (by {rules['domain']})"
    words = list(rules["constraints"])
    words += [f"spread over {', '.join(rules['spread'])}"] if rules["spread"] else []
    words += [f"at most {rules['max_per_node']} a node"] if rules["max_per_node"] else []
    words += [f"near {other}{domain}" for other in rules["near"]]
    words += [f"apart from {other}{domain}" for other in rules["apart"]]
    return "; ".join(words)

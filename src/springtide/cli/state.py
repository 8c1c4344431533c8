"""``status`` and ``ps``: how things stand."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from springtide.cli.names import choose_service
from springtide.cli.options import HomeOption, JsonOption, client_of
from springtide.cli.tables import age, money, now, print_json, print_table, use_of

RUNGS = ("own", "shared", "borrowed", "cloud")
SERVICE_COLUMNS = ("SERVICE", "TEAM", ">READY", ">WANTED", "RUNGS", ">REQ/S", ">CAPACITY", ">P95 MS", "URL")
INSTANCE_COLUMNS = ("INSTANCE", "SERVICE", "BAND", "NODE", "RUNG", "STATE", "READINESS", ">AGE", "DETAIL")
POOL_COLUMNS = ("POOL", "TEAM", ">NODES", ">INSTANCES", ">CPU", ">MEMORY")


def add_commands(app: typer.Typer) -> None:
    app.command()(status)
    app.command()(ps)


def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """The whole fleet at a glance: services, pools, money."""
    seen = client_of(home).get("status")
    if as_json:
        print_json(seen)
        return
    nothing = "Nothing is deployed yet: springtide deploy -f FILE"
    print_table(SERVICE_COLUMNS, [_service_row(each) for each in seen["services"]], nothing=nothing)
    for each in seen["services"]:
        if each["weakenings"]:
            typer.echo(f"{each['id']} opens more than an ordinary container has: {', '.join(each['weakenings'])}")
        if each["rollout"]["outdated"]:
            typer.echo(f"{each['id']}: {_rollout(each['rollout'])}")
    typer.echo()
    print_pools(seen["pools"])
    typer.echo()
    rented, spent = seen["rented_nodes"], money(seen["spend_micros"], seen["currency"])
    typer.echo(f"{rented} rented {'node' if rented == 1 else 'nodes'}, {spent} of rent so far.")


def ps(
    service: Annotated[str | None, typer.Argument(help="Only this service: web, or feed/web.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every instance: where it runs, under which rung, and how it is."""
    client = client_of(home)
    seen = client.get("instances")
    if service is not None:
        chosen = choose_service(service, {each["service"] for each in seen} | service_ids(client.get("services")))
        seen = [each for each in seen if each["service"] == chosen]
    if as_json:
        print_json(seen)
        return
    print_table(INSTANCE_COLUMNS, [_instance_row(each) for each in seen], nothing="No instance runs.")


def _rollout(rollout: dict[str, Any]) -> str:
    left = f"{rollout['outdated']} to replace, of which {rollout['serving_outdated']} serve on"
    return f"{rollout['ready']} of its present revision are ready; {left}."


def service_ids(services: list[dict[str, Any]]) -> set[str]:
    return {each["id"] for each in services}


def print_pools(pools: list[dict[str, Any]]) -> None:
    print_table(POOL_COLUMNS, [_pool_row(each) for each in pools], nothing="The fleet has no pools.")


def _pool_row(pool: dict[str, Any]) -> list[str]:
    most = f"{len(pool['nodes'])} of {pool['max_nodes']}" if pool["is_elastic"] else str(len(pool["nodes"]))
    instances = sum(len(node["instances"]) for node in pool["nodes"])
    used = [use_of(pool["used"], pool["allocatable"], kind) for kind in ("cpu_millis", "memory_bytes")]
    return [pool["name"], pool["team"] or pool["cloud"] or "company", most, str(instances), *used]


def _service_row(service: dict[str, Any]) -> list[str]:
    standing = {**service["rungs"], "standby": (service["standby"] or {}).get("paused", 0)}
    rungs = " ".join(f"{standing[rung]} {rung}" for rung in (*RUNGS, "standby") if standing.get(rung))
    rungs = " ".join([*([rungs] if rungs else []), *_run_words(service["run"])])
    figures = [_figure(service[key]) for key in ("rate", "capacity", "p95_ms")]
    counts = [str(service["ready"]), str(service["wanted"])]
    return [service["id"], service["team"], *counts, rungs or "-", *figures, service["url"] or "-"]


def _run_words(run: dict[str, Any] | None) -> list[str]:
    """``1 of 3 completed``, or that it has failed, of a service that runs to its end."""
    if run is None:
        return []
    if run["has_failed"]:
        code = run["last_failure"]["exit_code"]
        return ["failed" if code is None else f"failed (exit code {code})"]
    return [f"{run['completed']} of {run['count']} completed"]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _with_containers(instance: dict[str, Any]) -> str:
    names = instance["containers"]
    return f"{instance['id']} ({', '.join(names)})" if len(names) > 1 else str(instance["id"])


def _instance_row(instance: dict[str, Any]) -> list[str]:
    eviction = instance["eviction"]
    leaving = f"{eviction['rule']}: {eviction['sentence']}" if eviction else ""
    words = [
        _with_containers(instance),
        *(instance[key] or "-" for key in ("service", "band", "node", "rung", "state")),
    ]
    since = age(instance["started_at"] or instance["placed_at"], now())
    ended = f"{instance['detail']}, {age(instance['ended_at'], now())} ago" if instance["ended_at"] else ""
    return [*words, instance["readiness"], since, ended or leaving or instance["detail"]]

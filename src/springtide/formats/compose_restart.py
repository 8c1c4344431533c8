"""What becomes of an instance that ended: ``restart``, ``deploy.restart_policy``, and what others wait for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from springtide.formats.compose_conditions import Condition
from springtide.formats.compose_keys import DEPENDENCY, RESTART_POLICY, check_keys
from springtide.formats.compose_pods import Pods
from springtide.formats.durations import parse_duration
from springtide.formats.entries import Entry, did_you_mean
from springtide.model.workloads import RestartCondition, RestartPolicy, ScalePolicy

_ON_FAILURE = re.compile(r"on-failure(?::([0-9]{1,9}))?")
_BY_NAME = {
    "always": RestartCondition.ALWAYS,
    "unless-stopped": RestartCondition.ALWAYS,
    "no": RestartCondition.NEVER,
}
_BY_CONDITION = {
    "any": RestartCondition.ALWAYS,
    "on-failure": RestartCondition.ON_FAILURE,
    "none": RestartCondition.NEVER,
}
_MEASURES = ("delay", "max_attempts", "window")


def read_restart_policies(services: Mapping[str, Entry], pods: Pods) -> Mapping[str, RestartPolicy]:
    """How the instances of each service are repaired.

    One that others wait for to complete, and that says nothing itself, runs once. Raises the file's error
    for what can't be honoured, also where others wait for an end that never comes.
    """
    awaited = _awaited(services)
    policies = {}
    for name, service in services.items():
        said = _said(service)
        policy = _read(service) if said is not None else RestartPolicy()
        if name in awaited and said is None:
            policy = RestartPolicy(RestartCondition.NEVER)
        elif name in awaited and not policy.is_one_shot and said is not None:
            raise awaited[name].error(
                f"{name!r} never completes: line {said.line} says that it is always started again.",
                "Write `restart: on-failure` or 'no' there, or wait for service_healthy.",
            )
        place = said or awaited.get(name)
        if policy.is_one_shot and place is not None and _is_in_pod(name, pods):
            raise place.error(
                f"{name!r} shares a network, so it is one instance with others, and that is replaced when one of its "
                "containers ends.",
                "Let a service that runs to its end have a network of its own, or be restarted always.",
            )
        policies[name] = policy
    return policies


def check_counts(service: Entry, policy: RestartPolicy, scale: ScalePolicy) -> None:
    """Raise the file's error where a service that runs to its end is to be scaled by load."""
    if policy.is_one_shot and scale.minimum != scale.maximum:
        raise (_said(service) or service).error(
            f"A service that runs to its end has a fixed count, and `scale` asks for {scale.minimum} to "
            f"{scale.maximum}.",
            "Write `restart: always`, or one count under `deploy.replicas`.",
        )


def _awaited(services: Mapping[str, Entry]) -> dict[str, Entry]:
    """Those that others wait for to complete, with a place that says so."""
    awaited: dict[str, Entry] = {}
    for service in services.values():
        section = service.get("depends_on")
        for name, entry in section.mapping().items() if section is not None else ():
            condition = check_keys(entry, DEPENDENCY).get("condition")
            if condition is not None and condition.value == Condition.COMPLETED.value:
                awaited.setdefault(name, condition)
    return awaited


def _is_in_pod(name: str, pods: Pods) -> bool:
    return name in pods.firsts or name in pods.firsts.values()


def _said(service: Entry) -> Entry | None:
    """What counts of what the service says: as in Docker Compose, ``deploy`` goes before ``restart``."""
    deploy = service.get("deploy")
    policy = deploy.get("restart_policy") if deploy is not None else None
    return policy if policy is not None else service.get("restart")


def _read(service: Entry) -> RestartPolicy:
    said, deploy = service.get("restart"), service.get("deploy")
    section = deploy.get("restart_policy") if deploy is not None else None
    policy = _of_text(said) if said is not None else RestartPolicy()
    return policy if section is None else _of_section(section)


def _of_text(entry: Entry) -> RestartPolicy:
    text = entry.text()
    match = _ON_FAILURE.fullmatch(text)
    if match is not None:
        return RestartPolicy(RestartCondition.ON_FAILURE, int(match[1] or 0))
    if text not in _BY_NAME:
        raise entry.error(
            f"{entry.described} isn't a restart policy.",
            did_you_mean(text, [*_BY_NAME, "on-failure"]) or "Write always, unless-stopped, on-failure:3 or 'no'.",
        )
    return RestartPolicy(_BY_NAME[text])


def _of_section(section: Entry) -> RestartPolicy:
    fields = check_keys(section, RESTART_POLICY)
    named = fields.get("condition")
    text = "any" if named is None else named.text()
    if named is not None and text not in _BY_CONDITION:
        raise named.error(
            f"{named.described} isn't a condition.", did_you_mean(text, _BY_CONDITION) or "Write any, on-failure, none."
        )
    condition = _BY_CONDITION[text]
    for name in _MEASURES:
        if condition is not RestartCondition.ON_FAILURE and name in fields:
            raise fields[name].error(
                f"`{name}` counts only where failures are tried again; here the condition is {text}.",
                f"Leave `{name}` out, or write `condition: on-failure`.",
            )
    attempts, delay, window = (fields.get(name) for name in ("max_attempts", "delay", "window"))
    return RestartPolicy(
        condition,
        0 if attempts is None else attempts.whole_number(),
        0.0 if delay is None else delay.parsed(parse_duration),
        0.0 if window is None else window.parsed(parse_duration),
    )

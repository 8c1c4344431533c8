"""What has happened to instances, from the engine's events."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Container, Mapping
from typing import Any

from springtide.engines.docker_api import NOT_FOUND, DockerApi, decoded, label_filter
from springtide.engines.docker_instances import INSTANCE, ContainerNames
from springtide.model.identifiers import InstanceId

DIE = "die"
EVENTS = ("create", "start", DIE, "oom", "pause", "unpause", "destroy")
"""Named one by one: each probe by command makes three more."""


def events_from_now(api: DockerApi, names: ContainerNames, deleting: Container[str]) -> AsyncIterator[InstanceId]:
    """The id of each instance whose state may have changed from this call on.

    Of an end the engine tells before its lists show it, and then says nothing more. It answers a look at the
    container itself only once all is done, so news of an end waits for that; not where the instance is being
    deleted anyway. Raises EngineError where the connection is lost.
    """
    return _since(time.time(), api, names, deleting)


async def _since(
    moment: float, api: DockerApi, names: ContainerNames, deleting: Container[str]
) -> AsyncIterator[InstanceId]:
    filters = instances_filter(names.labels, type=["container"], event=list(EVENTS))
    parameters = {"filters": json.dumps(filters), "since": f"{moment:.9f}"}
    async with api.stream("events", parameters, "follow events") as lines:
        async for line in lines:
            event: dict[str, Any] = decoded(line)
            id = InstanceId(event["Actor"]["Attributes"][INSTANCE])
            if event["Action"] == DIE and id not in deleting:
                await _until_shown(api, str(event["Actor"]["ID"]))
            yield id


async def _until_shown(api: DockerApi, container: str) -> None:
    """Return once the engine has done all that the end of a container brings; at once where it is gone."""
    with api.call("look at what ended", tolerate=(NOT_FOUND,)):
        await api.client.containers.get(container)


def instances_filter(labels: Mapping[str, str], **others: list[str]) -> dict[str, list[str]]:
    """The ``filters`` that select instances only.

    The engine's builder, and anybody who runs an image that was built here by hand, makes containers
    that carry the image's label of this installation too.
    """
    filters = label_filter(labels, **others)
    return {**filters, "label": [*filters["label"], INSTANCE]}

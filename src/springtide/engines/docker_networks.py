"""Networks and named volumes of apps on a Docker Engine: made once, labelled; those of others are left alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from aiodocker.exceptions import DockerError

from springtide.engines.docker_api import CONFLICT, NOT_FOUND, DockerApi, label_filter
from springtide.engines.docker_instances import APP, DEFINITION, INSTALLATION, NETWORK, VOLUME, ContainerNames
from springtide.model.errors import EngineError
from springtide.model.identifiers import AppName
from springtide.model.mounts import VolumeDefinition
from springtide.model.networks import AddressPool, NetworkDefinition

IN_USE = 403
DEFAULT_DRIVER = "bridge"
DEFAULT_IPAM = "default"
LOCAL_VOLUMES = "local"
DIGEST_LENGTH = 16


class DockerNetworks:
    """Makes, finds and removes networks of apps."""

    def __init__(self, api: DockerApi, names: ContainerNames) -> None:
        self._api = api
        self._names = names

    async def ensure(self, app: AppName, network: NetworkDefinition) -> None:
        name = self._names.network_of(app, network)
        if network.is_external:
            await self._find_external(app, network)
            return
        labels = {**self._names.labels, APP: app, NETWORK: network.name, DEFINITION: _digest(network)}
        body = network_body(name, network, labels)
        with self._api.call(f"make the network {name}"):
            try:
                await self._api.client.networks.create(body)
            except DockerError as error:
                if error.status != CONFLICT:
                    raise
                await self._take_existing(name, body)

    async def delete_all(self, app: AppName) -> None:
        ours = label_filter({**self._names.labels, APP: app})
        with self._api.call(f"list the networks of {app}"):
            networks = await self._api.client.networks.list(filters=ours)
        for network in networks:
            with self._api.call(f"remove the network {network['Name']}", tolerate=(NOT_FOUND, IN_USE)):
                await (await self._api.client.networks.get(network["Id"])).delete()

    async def _find_external(self, app: AppName, network: NetworkDefinition) -> None:
        with self._api.call(f"look up the network {network.external_name}"):
            try:
                await self._api.client.networks.get(network.external_name)
            except DockerError as error:
                if error.status != NOT_FOUND:
                    raise
                raise _external_missing("network", network.external_name, app) from error

    async def _take_existing(self, name: str, body: Mapping[str, Any]) -> None:
        """Names can coincide (app ``a-b``, network ``c`` and app ``a``, network ``b-c``); labels can't."""
        network = await self._api.client.networks.get(name)
        shown = await network.show()
        found, wanted = shown["Labels"] or {}, body["Labels"]
        _refuse_foreign("network", name, found, wanted)
        # One that was made before definitions had digests is an ordinary one.
        if found.get(DEFINITION, _digest(NetworkDefinition(wanted[NETWORK]))) == wanted[DEFINITION]:
            return
        if shown.get("Containers"):
            raise EngineError(
                f"The network {name} was made otherwise than the app now asks for, and instances stand on it.",
                remedy=f"Take the app down once: springtide down {wanted[APP]}; then deploy it again.",
            )
        await network.delete()
        await self._api.client.networks.create(dict(body))


class DockerVolumes:
    """Makes, finds and removes named volumes of apps."""

    def __init__(self, api: DockerApi, names: ContainerNames) -> None:
        self._api = api
        self._names = names

    async def ensure(self, app: AppName, volume: VolumeDefinition) -> None:
        name = self._names.volume_of(app, volume)
        found = await self._labels_of(name)
        if volume.is_external:
            if found is None:
                raise _external_missing("volume", name, app)
            return
        labels = volume_labels(self._names, app, volume)
        if found is None:
            with self._api.call(f"make the volume {name}"):
                await self._calls.create(volume_body(name, volume, labels))
            return
        _refuse_foreign("volume", name, found, labels)
        if found.get(DEFINITION) != labels[DEFINITION]:
            raise EngineError(
                f"The volume {name} was made otherwise than the app now asks for, and holds data.",
                remedy=f"Name another volume, or save what it holds and remove it: docker volume rm {name}",
            )

    async def delete_all(self, app: AppName) -> None:
        ours = label_filter({**self._names.labels, APP: app})
        with self._api.call(f"list the volumes of {app}"):
            volumes = (await self._calls.list(filters=ours))["Volumes"] or []
        for each in volumes:
            with self._api.call(f"remove the volume {each['Name']}", tolerate=(NOT_FOUND,)):
                await (await self._calls.get(each["Name"])).delete()

    @property
    def _calls(self) -> Any:
        """aiodocker's calls for volumes, which it gives no types."""
        return self._api.client.volumes

    async def _labels_of(self, name: str) -> Mapping[str, str] | None:
        with self._api.call(f"look up the volume {name}"):
            try:
                labels: Mapping[str, str] = (await (await self._calls.get(name)).show())["Labels"] or {}
                return labels
            except DockerError as error:
                if error.status != NOT_FOUND:
                    raise
                return None


def network_body(name: str, network: NetworkDefinition, labels: Mapping[str, str]) -> dict[str, Any]:
    """The body of ``POST /networks/create``."""
    body: dict[str, Any] = {
        "Name": name,
        "Driver": network.driver or DEFAULT_DRIVER,
        "CheckDuplicate": True,
        "Labels": {**dict(network.labels), **labels},
        "Options": dict(network.driver_options),
        "Internal": network.internal,
        "Attachable": network.attachable,
        "EnableIPv6": network.enable_ipv6,
    }
    if network.enable_ipv4 is not None:
        body["EnableIPv4"] = network.enable_ipv4
    if network.ipam or network.ipam_driver or network.ipam_options:
        body["IPAM"] = {
            "Driver": network.ipam_driver or DEFAULT_IPAM,
            "Options": dict(network.ipam_options),
            "Config": [_pool_body(pool) for pool in network.ipam],
        }
    return body


def volume_labels(names: ContainerNames, app: AppName, volume: VolumeDefinition) -> dict[str, str]:
    return {**names.labels, APP: app, VOLUME: volume.name, DEFINITION: _digest(volume)}


def volume_body(name: str, volume: VolumeDefinition, labels: Mapping[str, str]) -> dict[str, Any]:
    """The body of ``POST /volumes/create``."""
    return {
        "Name": name,
        "Driver": volume.driver or LOCAL_VOLUMES,
        "DriverOpts": dict(volume.driver_options),
        "Labels": {**dict(volume.labels), **labels},
    }


def _pool_body(pool: AddressPool) -> dict[str, Any]:
    body = {
        "Subnet": pool.subnet,
        "IPRange": pool.ip_range,
        "Gateway": pool.gateway,
        "AuxiliaryAddresses": dict(pool.auxiliary_addresses),
    }
    return {key: value for key, value in body.items() if value}


def _digest(definition: NetworkDefinition | VolumeDefinition) -> str:
    """Of what is said only, so that a field which a later version adds changes no digest."""
    said = {each.name: getattr(definition, each.name) for each in fields(definition)}
    told = {each.name: said[each.name] for each in fields(definition) if said[each.name] != each.default}
    return hashlib.sha256(repr(sorted(told.items())).encode()).hexdigest()[:DIGEST_LENGTH]


def _refuse_foreign(kind: str, name: str, found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    mine = {key: wanted[key] for key in (INSTALLATION, APP, NETWORK, VOLUME) if key in wanted}
    if not mine.items() <= found.items():
        raise EngineError(
            f"The {kind} {name} exists already and belongs to app {found.get(APP, 'unknown')!r} "
            f"of installation {found.get(INSTALLATION, 'none')!r}.",
            remedy=f"Rename the app or its {kind}, declare it as external, or remove that {kind}.",
        )


def _external_missing(kind: str, name: str, app: AppName) -> EngineError:
    return EngineError(
        f"App {app} uses the {kind} {name}, which the file calls external, and the engine has none of that name.",
        remedy=f"Make it (docker {kind} create {name}), or drop external: so that Springtide makes one.",
    )

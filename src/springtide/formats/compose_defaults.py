"""What a Compose file means without saying it: contexts, networks, names, dependencies, defaults of long forms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from springtide.formats.compose_paths import changed
from springtide.formats.compose_short_forms import clean_path
from springtide.formats.entries import Entry, Scalar

DEFAULT_NETWORK = "default"
_NAMED = ("networks", "volumes", "configs", "secrets")
_NAMESPACES = ("network_mode", "ipc", "pid", "uts", "cgroup")


def with_contexts(root: Entry) -> Entry:
    """The file with a context for each build: the folder of the project."""
    return changed(root, ["services", "*", "build"], lambda build: with_missing(build, {"context": "."}))


def with_defaults(root: Entry, project: str, variables: Mapping[str, str]) -> Entry:
    """The merged file, in long form, with everything said that it only implies."""
    changes: dict[str, Callable[[Entry], Entry]] = {
        "services.*": _with_networks,
        "services.*.build": lambda build: _with_arguments(_with_dockerfile(build), variables),
        "services.*.depends_on.*": _with_condition,
        "services.*.env_file.*": lambda file: with_missing(file, {"required": True}),
        "services.*.secrets.*": _with_secret_target,
        "services.*.ports.*": lambda port: with_missing(port, {"protocol": "tcp", "mode": "ingress"}),
        "services.*.gpus.*": _with_count,
        "services.*.deploy.resources.reservations.devices.*": _with_count,
        "services.*.volumes.*.target": lambda target: target.with_value(clean_path(target.text())),
        "services.*.pull_policy": lambda policy: policy.with_value(
            "missing" if policy.value == "if_not_present" else policy.value
        ),
    }
    for path, change in changes.items():
        root = changed(root, path.split("."), change)
    root = changed(root, ["services", "*"], lambda service: _with_implied_dependencies(_with_scale(service)))
    root = _with_default_network(root)
    for section in _NAMED:
        root = changed(root, [section], lambda named: _with_names(named, project))
    return root


def with_missing(entry: Entry, defaults: Mapping[str, Scalar]) -> Entry:
    """The mapping with those keys that it lacks; they stand where it stands."""
    if not entry.is_mapping:
        return entry
    missing = {name: entry.with_value(value) for name, value in defaults.items() if entry.get(name) is None}
    return entry.with_value({**entry.mapping(), **missing})


def _with_condition(need: Entry) -> Entry:
    if need.get("condition") is None:
        raise need.error("This dependency names no condition.", "Add `condition: service_started`.")
    return with_missing(need, {"required": True})


def _with_networks(service: Entry) -> Entry:
    """A service without networks is on the default one, unless it has none by its mode or provider."""
    if not service.is_mapping or service.get("provider") is not None or service.get("network_mode") is not None:
        return service
    networks = service.get("networks")
    if networks is not None and networks.mapping():
        return service
    place = networks or service
    default = place.with_value({DEFAULT_NETWORK: place.with_value(None)})
    return service.with_value({**service.mapping(), "networks": default})


def _with_default_network(root: Entry) -> Entry:
    services, networks = root.get("services"), root.get("networks")
    declared = networks.mapping() if networks is not None else {}
    users = [
        section
        for service in (services.mapping().values() if services is not None else ())
        if (section := service.get("networks")) is not None and DEFAULT_NETWORK in section.mapping()
    ]
    if not users or DEFAULT_NETWORK in declared:
        return root
    default = users[0].with_value(None)
    together = (networks or root).with_value({**declared, DEFAULT_NETWORK: default})
    return root.with_value({**root.mapping(), "networks": together})


def _with_dockerfile(build: Entry) -> Entry:
    return build if build.get("dockerfile_inline") is not None else with_missing(build, {"dockerfile": "Dockerfile"})


def _with_arguments(build: Entry, variables: Mapping[str, str]) -> Entry:
    """Arguments that are only named have their value from outside, or aren't given."""

    def resolved(arguments: Entry) -> Entry:
        values = {
            name: child.with_value(variables[name]) if child.is_null else child
            for name, child in arguments.mapping().items()
            if not child.is_null or name in variables
        }
        return arguments.with_value(values)

    return changed(build, ["args"], resolved)


def _with_secret_target(mounted: Entry) -> Entry:
    source = mounted.get("source")
    return mounted if source is None else with_missing(mounted, {"target": f"/run/secrets/{source.text()}"})


def _with_count(request: Entry) -> Entry:
    """A request for devices that says neither how many nor which asks for all."""
    return request if request.get("device_ids") is not None else with_missing(request, {"count": -1})


def _with_scale(service: Entry) -> Entry:
    """``scale`` is the old name of ``deploy.replicas``."""
    scale, deploy = service.get("scale"), service.get("deploy")
    if scale is None or deploy is None:
        return service
    replicas = deploy.get("replicas")
    if replicas is not None and replicas.value != scale.value:
        sentence = f"{scale.described} and `deploy.replicas` ({replicas.described}, line {replicas.line}) differ."
        raise scale.error(sentence, "Leave `scale` out.")
    return changed(service, ["deploy"], lambda found: with_missing(found, {"replicas": scale.whole_number()}))


def _with_implied_dependencies(service: Entry) -> Entry:
    section = service.get("depends_on")
    needs = dict(section.mapping()) if section is not None else {}
    for name, entry, restart in _implied(service):
        fields: dict[str, Scalar] = {"condition": "service_started", "required": True, "restart": restart}
        needs.setdefault(name, entry.with_value({key: entry.with_value(value) for key, value in fields.items()}))
    if not needs:
        return service
    return service.with_value({**service.mapping(), "depends_on": (section or service).with_value(needs)})


def _implied(service: Entry) -> Iterator[tuple[str, Entry, bool]]:
    """Services that this one needs by what it shares with them, and whether it restarts with them."""
    for link in _items(service.get("links")):
        yield link.text().partition(":")[0], link, True
    for key in _NAMESPACES:
        entry = service.get(key)
        if entry is not None and entry.text().startswith("service:"):
            yield entry.text().partition(":")[2], entry, True
    for source in _items(service.get("volumes_from")):
        if not source.text().startswith("container:"):
            yield source.text().partition(":")[0], source, False


def _items(section: Entry | None) -> Iterator[Entry]:
    yield from section.sequence() if section is not None else ()


def _with_names(section: Entry, project: str) -> Entry:
    """What has no name of its own is named by the project; what others made, by its key."""
    made = {}
    for key, entry in section.mapping().items():
        resource = entry.with_value({}) if entry.is_null else entry
        external = resource.get("external")
        is_external = external is not None and bool(external.value)
        made[key] = with_missing(resource, {"name": key if is_external else f"{project}_{key}"})
    return section.with_value(made)

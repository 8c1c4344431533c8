"""Where a Compose file lets instances stand, what they count for, and what of that is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from springtide.formats.compose import load_app
from springtide.formats.fleet import parse_fleet
from springtide.model.resources import MEMORY_BYTES, Resources
from springtide.model.workloads import Band, Constraint, PlacementRules, Service
from tests.formats.compose_files import LABELLED_FLEET_TEXT, labelled_fleet, load, refusal, service_text


def placement(body: str) -> str:
    """The lines of a service with this under ``deploy.placement``; it starts on line 7 of the file."""
    return "deploy:\n  placement:\n" + "".join(f"    {line}\n" for line in body.split("\n"))


def own(body: str) -> str:
    """The lines of a service with this under ``x-springtide.placement``; it starts on line 7 of the file."""
    return "x-springtide:\n  placement:\n" + "".join(f"    {line}\n" for line in body.split("\n"))


def web(directory: Path, body: str) -> Service:
    return load(directory, service_text(body), fleet=labelled_fleet()).services[0].service


def notices(directory: Path, body: str) -> tuple[str, ...]:
    return load(directory, service_text(body), fleet=labelled_fleet()).notices


@pytest.mark.parametrize(
    ("text", "constraint"),
    [
        ("node.labels.zone==a", Constraint("zone", "a")),
        ("node.labels.zone != a", Constraint("zone", "a", is_equal=False)),
        (" node.labels.rack ==r1 ", Constraint("rack", "r1")),
        ("node.platform.os==linux", Constraint("os", "linux")),
        ("node.platform.OS==Linux", Constraint("os", "linux")),
        ("node.platform.arch==x86_64", Constraint("arch", "amd64")),
        ("node.platform.arch!=aarch64", Constraint("arch", "arm64", is_equal=False)),
        ("node.labels.unheard.of!=x", Constraint("unheard.of", "x", is_equal=False)),
    ],
)
def test_a_constraint_of_swarm_is_read(tmp_path: Path, text: str, constraint: Constraint) -> None:
    rules = web(tmp_path, placement(f"constraints: ['{text}']")).placement
    assert rules == PlacementRules(constraints=(constraint,))


def test_a_service_without_placement_may_stand_anywhere(tmp_path: Path) -> None:
    assert web(tmp_path, "user: a").placement == PlacementRules()


def test_the_same_constraint_counts_once(tmp_path: Path) -> None:
    both = "constraints: [node.labels.isolation==vm]"
    rules = web(tmp_path, placement(both) + own("isolation: vm")).placement
    assert rules.constraints == (Constraint("isolation", "vm"),)


def test_site_and_isolation_join_the_constraints(tmp_path: Path) -> None:
    text = placement("constraints: [node.platform.arch==arm64]") + own("site: home\nisolation: vm")
    expected = (Constraint("arch", "arm64"), Constraint("site", "home"), Constraint("isolation", "vm"))
    assert web(tmp_path, text).placement.constraints == expected


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("node.labels.zone", "zone"),
        ("node.platform.arch", "arch"),
        ("node.hostname", "node"),
        ("node.id", "node"),
    ],
)
def test_a_preference_spreads_over_a_label_or_over_nodes(tmp_path: Path, name: str, label: str) -> None:
    service = web(tmp_path, placement(f"preferences: [{{spread: {name}}}]"))
    assert service.placement.spread == (label,)


def test_preferences_keep_their_order(tmp_path: Path) -> None:
    text = placement(
        "preferences:\n  - spread: node.labels.zone\n  - {spread: node.labels.rack}\nmax_replicas_per_node: 2"
    )
    rules = web(tmp_path, text).placement
    assert (rules.spread, rules.max_per_node) == (("zone", "rack"), 2)


def test_a_spread_over_what_no_node_has_is_worth_a_word(tmp_path: Path) -> None:
    (notice,) = notices(tmp_path, placement("preferences: [{spread: node.labels.zoen}]"))
    assert notice == (
        "web: no node of the fleet has the label 'zoen', so nothing is spread over it. Did you mean 'zone'?"
    )


def test_neighbours_go_by_name_within_the_file_and_by_id_beyond(tmp_path: Path) -> None:
    text = service_text(own("near: cache\napart: [web, app/batch, other/web]\ndomain: zone"))
    spec = load(tmp_path, text + "  cache: {image: x}\n  batch: {image: x}\n", fleet=labelled_fleet())
    rules = spec.services[0].service.placement
    assert (rules.near, rules.apart) == (("app/cache",), ("app/web", "app/batch", "other/web"))
    assert rules.domain == "zone"


def test_a_site_may_be_the_domain(tmp_path: Path) -> None:
    assert web(tmp_path, own("apart: web\ndomain: site")).placement.domain == "site"


def test_two_services_may_want_to_be_near_each_other(tmp_path: Path) -> None:
    text = service_text(own("near: [cache, web]")) + "  cache: {image: x, x-springtide: {placement: {near: web}}}\n"
    one, two = load(tmp_path, text, fleet=labelled_fleet()).services
    assert (one.service.placement.near, two.service.placement.near) == (("app/cache", "app/web"), ("app/web",))


def test_further_kinds_count_and_defaults_of_them_too(tmp_path: Path) -> None:
    assert web(tmp_path, "x-springtide: {resources: {gpu: 1}}").resources["gpu"] == 1
    assert web(tmp_path, "user: a").resources["gpu"] == 0
    fleet = parse_fleet(f"{LABELLED_FLEET_TEXT}defaults: {{resources: {{gpu: 1}}}}\n", "f")
    spec = load(tmp_path, service_text("user: a"), fleet=fleet)
    assert spec.services[0].service.resources == fleet.defaults
    spec = load(tmp_path, service_text("x-springtide: {resources: {gpu: 0}}"), fleet=fleet)
    assert spec.services[0].service.resources == fleet.defaults - Resources.of(gpu=1)


def test_band_available_and_line_load_are_read(tmp_path: Path) -> None:
    service = web(
        tmp_path, "x-springtide: {band: best-effort, line_load: 2Mbps, scale: {min: 3, available: 1, max: 3}}"
    )
    assert (service.band, service.line_load_bits_per_second) == (Band.BEST_EFFORT, 2_000_000)
    assert (service.scale.available, service.scale.minimum_available) == (1, 1)


def test_what_is_left_serving_may_be_more_than_the_minimum(tmp_path: Path) -> None:
    service = web(tmp_path, "x-springtide: {scale: {min: 2, max: 8, cpu_percent: 50, available: 4}}")
    assert service.scale.minimum_available == 4


def test_constraints_of_a_second_file_are_added(tmp_path: Path) -> None:
    paths = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    paths[0].write_text(service_text(placement("constraints: [node.labels.zone==b]\nmax_replicas_per_node: 1")))
    more = "{placement: {constraints: [node.platform.os==linux], max_replicas_per_node: 3}}"
    paths[1].write_text(f"services:\n  web:\n    deploy: {more}\n")
    spec = load_app(paths, environment={}, project="app", fleet=labelled_fleet())
    rules = spec.services[0].service.placement
    assert rules.constraints == (Constraint("zone", "b"), Constraint("os", "linux"))
    assert rules.max_per_node == 3


def test_a_shared_part_is_judged_by_the_share_of_its_kind(tmp_path: Path) -> None:
    body = "deploy: {resources: {reservations: {cpus: '1.5', memory: 600M}}}\nx-springtide: {resources: {gpu: 1}}"
    (notice,) = notices(tmp_path, body)
    assert notice.startswith(
        "The shared part of pool 'vision' (10% of 4096 MiB memory: 409.6 MiB memory) holds no whole"
    )


# Lines of the one service start at 5: (its lines, line, key, words of the sentence, words of the remedy).
REFUSALS = {
    "a constraint with one equals sign": (
        placement("constraints:\n  - disktype=ssd"),
        8,
        ".deploy.placement.constraints[0]",
        "'disktype=ssd' isn't a constraint",
        "'node.labels.disktype==ssd'",
    ),
    "a constraint without a value": (
        placement("constraints: ['node.labels.zone==']"),
        7,
        ".deploy.placement.constraints[0]",
        "'' is a value that no node can have",
        "letters",
    ),
    "constraints that are a mapping": (
        placement("constraints: {zone: a}"),
        7,
        ".deploy.placement.constraints",
        "a list, not a mapping",
        "",
    ),
    "a constraint on roles": (
        placement("constraints: [node.role==manager]"),
        7,
        ".deploy.placement.constraints[0]",
        "'node.role' can't be asked for",
        "no node of Springtide is a manager",
    ),
    "a constraint on one node": (
        placement("constraints: [node.hostname==feed-1]"),
        7,
        ".deploy.placement.constraints[0]",
        "'node.hostname' can't be asked for",
        "Label the pool's `slices`",
    ),
    "a constraint on an engine": (
        placement("constraints: [engine.labels.os==ubuntu]"),
        7,
        ".deploy.placement.constraints[0]",
        "Labels of engines",
        "node.labels.NAME",
    ),
    "a constraint on what nodes don't have": (
        placement("constraints: [node.platform.ach==arm64]"),
        7,
        ".deploy.placement.constraints[0]",
        "'node.platform.ach' can't be asked for",
        "'node.platform.arch'",
    ),
    "a constraint on a label that is none": (
        placement("constraints: [node.labels.site==home]"),
        7,
        ".deploy.placement.constraints[0]",
        "'site' is no label",
        "`x-springtide.placement.site`",
    ),
    "a value that no node has": (
        placement("constraints:\n  - node.platform.os==linux\n  - node.labels.zone==e"),
        9,
        ".deploy.placement.constraints[1]",
        "No node of the fleet has the zone 'e'; there are a, b, c, d.",
        "Add `zone: e` to a pool's `slices`",
    ),
    "a value with a slip": (
        placement("constraints: [node.platform.arch==arm46]"),
        7,
        ".deploy.placement.constraints[0]",
        "No node of the fleet has the arch 'arm46'; there are amd64, arm64.",
        "'arm64'",
    ),
    "a label that no node has": (
        placement("constraints: [node.labels.disk==ssd]"),
        7,
        ".deploy.placement.constraints[0]",
        "No node of the fleet says its disk, so none is known to have 'ssd'",
        "`labels.disk: ssd`",
    ),
    "a value that every node has": (
        placement("constraints: [node.platform.os!=linux]"),
        7,
        ".deploy.placement.constraints[0]",
        "Every node of the fleet has the os 'linux'",
        "another",
    ),
    "constraints that no node meets at once": (
        placement("constraints: [node.labels.zone==a, node.platform.arch==arm64]"),
        7,
        ".deploy.placement.constraints[0]",
        "meets all of this at once: zone==a, arch==arm64",
        "Take one",
    ),
    "more than what is allowed has room for": (
        placement("constraints: [node.labels.zone==a]") + "  resources: {reservations: {cpus: '3'}}",
        8,
        ".deploy.resources",
        "wants 3000m cpu; the largest node that meets its placement has 2000m cpu",
        "larger nodes",
    ),
    "a preference of nothing": (
        placement("preferences: [{}]"),
        7,
        ".deploy.placement.preferences[0]",
        "prefers nothing",
        "spread: node.labels.zone",
    ),
    "a preference that isn't a spread": (
        placement("preferences: [{pack: node.labels.zone}]"),
        7,
        ".deploy.placement.preferences[0].pack",
        "isn't known here",
        "spread",
    ),
    "a spread over engines": (
        placement("preferences: [{spread: engine.labels.zone}]"),
        7,
        ".deploy.placement.preferences[0].spread",
        "Labels of engines can't be spread over",
        "node.labels.NAME",
    ),
    "a negative count a node": (
        placement("max_replicas_per_node: -1"),
        7,
        ".deploy.placement.max_replicas_per_node",
        "-1 instances a node are outside 0",
        "0 for no limit",
    ),
    "an unknown key of a placement": (
        placement("constraint: [a]"),
        7,
        ".deploy.placement.constraint",
        "isn't known here",
        "'constraints'",
    ),
    "constraints in the wrong place": (
        own("constraints: [a]"),
        7,
        ".x-springtide.placement.constraints",
        "'constraints'",
        "`deploy.placement`",
    ),
    "an unknown site": (own("site: hone"), 7, ".x-springtide.placement.site", "no site 'hone'", "'home'"),
    "a class of isolation that no node has": (
        own("isolation: vmm"),
        7,
        ".x-springtide.placement.isolation",
        "No node of the fleet has the isolation 'vmm'; there are vm.",
        "'vm'",
    ),
    "a class of isolation that is none": (
        own("isolation: a b"),
        7,
        ".x-springtide.placement.isolation",
        "'a b' is no class of isolation",
        "vm",
    ),
    "a site without that class of isolation": (
        own("site: hall\nisolation: vm"),
        7,
        ".x-springtide.placement.site",
        "meets all of this at once: site==hall, isolation==vm",
        "Take one",
    ),
    "an unknown neighbour": (own("near: bd"), 7, ".x-springtide.placement.near", "no service 'bd'", "`app/service`"),
    "a neighbour with a slip": (
        own("apart:\n  - other/x\n  - wbe"),
        9,
        ".x-springtide.placement.apart[1]",
        "no service 'wbe' in this file",
        "",
    ),
    "an unknown neighbour of the same app": (
        own("near: [app/bd]"),
        7,
        ".x-springtide.placement.near[0]",
        "no service 'app/bd' in this file",
        "",
    ),
    "a neighbour near and apart": (
        own("near: other/x\napart: [other/x]"),
        8,
        ".x-springtide.placement.apart[0]",
        "other/x can't be both near and apart (line 7)",
        "Take one",
    ),
    "an unknown domain": (
        own("near: other/x\ndomain: zoen"),
        8,
        ".x-springtide.placement.domain",
        "'zoen' divides nothing",
        "'zone'",
    ),
    "a domain of nothing": (
        own("domain: zone"),
        7,
        ".x-springtide.placement.domain",
        "means nothing by itself",
        "`near` or `apart`",
    ),
    "more left serving than there are": (
        "x-springtide:\n  scale:\n    max: 4\n    available: 5",
        8,
        ".x-springtide.scale.available",
        "5 instances can't serve at any time: there are 0 to 4 (line 7)",
        "at most 4",
    ),
    "fewer left serving than none": (
        "x-springtide: {scale: {max: 4, available: -1}}",
        5,
        ".x-springtide.scale.available",
        "-1 instances can't serve",
        "at most 4",
    ),
    "a kind that no node has": (
        "x-springtide: {resources: {gpus: 1}}",
        5,
        ".x-springtide.resources.gpus",
        "No node and no offer has 'gpus'; the kinds are cpus, memory, pids, gpu.",
        "'gpu'",
    ),
    "a kind with a place of its own": (
        "x-springtide: {resources: {memory: 1}}",
        5,
        ".x-springtide.resources.memory",
        "a place of its own",
        "`deploy.resources`",
    ),
    "less than none of a kind": (
        "x-springtide: {resources: {gpu: -1}}",
        5,
        ".x-springtide.resources.gpu",
        "-1 is no amount",
        "0 or more",
    ),
    "more of a kind than any node has": (
        "x-springtide: {resources: {gpu: 2}}",
        5,
        ".x-springtide.resources",
        "wants 2 gpu; the largest node of any pool has 1 gpu",
        "larger nodes",
    ),
    "generic resources": (
        "deploy: {resources: {reservations: {generic_resources: []}}}",
        5,
        ".deploy.resources.reservations.generic_resources",
        "'generic_resources'",
        "`x-springtide.resources: {gpu: 1}`",
    ),
    "an absurd load of the line": (
        "x-springtide: {line_load: 2000Tbps}",
        5,
        ".x-springtide.line_load",
        "2000Tbps is absurd",
        "unit",
    ),
    "a load of the line that is none": (
        "x-springtide: {line_load: fast}",
        5,
        ".x-springtide.line_load",
        "'fast'",
        "2Mbps",
    ),
}


@pytest.mark.parametrize(("body", "line", "key", "words", "remedy"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_service_is_refused_for(tmp_path: Path, body: str, line: int, key: str, words: str, remedy: str) -> None:
    error = refusal(tmp_path, service_text(body), fleet=labelled_fleet())
    assert (error.line, error.key) == (line, f"services.web{key}"), str(error)
    assert words in error.sentence
    assert remedy in f"{error.sentence} {error.remedy}"


def test_a_circle_of_neighbours_that_none_can_begin_is_refused(tmp_path: Path) -> None:
    near = "{image: x, x-springtide: {placement: {near: %s}}}"
    services = "".join(
        f"  {name}: {near % other}\n" for name, other in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"))
    )
    error = refusal(tmp_path, f"x-springtide: {{team: feed}}\nservices:\n{services}", fleet=labelled_fleet())
    assert (error.line, error.key) == (3, "services.a")
    assert error.sentence.endswith("app/a near app/b, app/b near app/c, app/c near app/a.")


def test_memory_of_what_is_on_offer_counts_for_placement_too(tmp_path: Path) -> None:
    body = placement("constraints: [node.labels.zone==d]") + "  resources: {reservations: {memory: 1500M}}"
    error = refusal(tmp_path, service_text(body), fleet=labelled_fleet())
    assert "the largest node that meets its placement has 1024 MiB memory" in error.sentence
    fitting = web(tmp_path, body.replace("1500M", "1G"))
    assert fitting.resources[MEMORY_BYTES] == 2**30

"""How several files become one app: what works beyond one plain file, and where a mistake is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from springtide.formats.compose import AppSpec, load_app
from springtide.model.errors import ComposeFileError
from tests.formats.compose_files import two_team_fleet

TEAM = "x-springtide: {team: feed}\n"


def load(directory: Path, files: Mapping[str, str], *profiles: str, over: Sequence[str] = ()) -> AppSpec:
    """The app of ``compose.yaml`` in the directory, with the other files beside it."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    paths = [directory / name for name in ("compose.yaml", *over)]
    return load_app(paths, environment={"SET": "set"}, project="app", fleet=two_team_fleet(), profiles=profiles)


def refusal(directory: Path, files: Mapping[str, str], *profiles: str, over: Sequence[str] = ()) -> ComposeFileError:
    with pytest.raises(ComposeFileError) as caught:
        load(directory, files, *profiles, over=over)
    return caught.value


PROFILES = f"""{TEAM}services:
  web: {{image: x}}
  debug: {{image: x, profiles: [debug, all], depends_on: {{tool: {{condition: service_started, required: false}}}}}}
  tool: {{image: x, profiles: [tool]}}
  broken: {{image: x, profiles: [broken], depends_on: [tool]}}
"""


@pytest.mark.parametrize(
    ("profiles", "services"),
    [((), {"web"}), (("debug",), {"web", "debug"}), (("tool", "all"), {"web", "debug", "tool"})],
)
def test_profiles_switch_services_on(tmp_path: Path, profiles: tuple[str, ...], services: set[str]) -> None:
    if "tool" in profiles:
        with pytest.raises(ComposeFileError, match="switched on is required"):
            load(tmp_path, {"compose.yaml": PROFILES}, *profiles)
    else:
        assert {each.name for each in load(tmp_path, {"compose.yaml": PROFILES}, *profiles).services} == services


def test_a_need_of_a_service_that_is_off_names_its_profile(tmp_path: Path) -> None:
    error = refusal(tmp_path, {"compose.yaml": PROFILES}, "broken")
    assert (error.line, error.key) == (6, "services.broken.depends_on[0]")
    assert "'tool'" in error.sentence
    assert "--profile tool" in error.remedy


def test_what_is_off_is_not_refused(tmp_path: Path) -> None:
    text = f"{TEAM}services:\n  web: {{image: x}}\n  odd: {{image: x, privileged: true, profiles: [odd]}}\n"
    assert [each.name for each in load(tmp_path, {"compose.yaml": text}).services] == ["web"]
    assert refusal(tmp_path, {"compose.yaml": text.replace("privileged: true", "scale: x")}).line == 4


def test_services_extend_others_of_the_same_file_and_of_another(tmp_path: Path) -> None:
    files = {
        "compose.yaml": f"{TEAM}services:\n  web: {{extends: {{file: common/base.yaml, service: base}}, user: own}}\n",
        "common/base.yaml": "services:\n  base: {extends: root, build: ., environment: {A: $SET}}\n"
        "  root: {user: root, command: [run]}\n",
    }
    web = load(tmp_path, files).services[0]
    assert web.template.user == "own"
    assert web.template.command == ("run",)
    assert web.template.environment == (("A", "set"),)
    assert web.build is not None
    assert web.build.context == tmp_path / "common"


def test_files_are_included_with_their_own_folder_and_variables(tmp_path: Path) -> None:
    files = {
        "compose.yaml": f"{TEAM}include: [sub/compose.yaml]\nservices:\n  web: {{image: x, depends_on: [db]}}\n",
        "sub/compose.yaml": "services:\n  db: {build: ., environment: {A: $SUB, SET: }}\n",
        "sub/.env": "SUB=sub\n",
    }
    db = next(each for each in load(tmp_path, files).services if each.name == "db")
    assert db.template.environment == (("A", "sub"), ("SET", "set"))
    assert db.build is not None
    assert db.build.context == tmp_path / "sub"


def test_variables_and_labels_come_from_files(tmp_path: Path) -> None:
    files = {
        "compose.yaml": f"{TEAM}services:\n  web:\n    image: x\n    env_file: [a.env, {{path: b, required: false}}]\n"
        "    label_file: a.labels\n    environment: {OWN: own, BOTH: own}\n    labels: {own: own}\n",
        "a.env": "BOTH=file\nFILE=$SET\n",
        "a.labels": "own=file\nfile=label\n",
    }
    template = load(tmp_path, files).services[0].template
    assert template.environment == (("BOTH", "own"), ("FILE", "set"), ("OWN", "own"))
    assert template.labels == (("file", "label"), ("own", "own"))


def test_a_later_file_resets_and_replaces(tmp_path: Path) -> None:
    files = {
        "compose.yaml": f"{TEAM}services:\n  web: {{image: x, ports: ['80:80'], user: a, labels: {{a: 1, b: 2}}}}\n",
        "over.yaml": "services:\n  web: {ports: !override ['81:81'], user: !reset null, labels: !override {c: 3}}\n",
    }
    web = load(tmp_path, files, over=["over.yaml"]).services[0]
    assert [route.listen_port for route in web.service.routes] == [81]
    assert (web.template.user, web.template.labels) == (None, (("c", "3"),))


def test_paths_of_all_files_start_at_the_first_ones_folder(tmp_path: Path) -> None:
    files = {
        "compose.yaml": f"{TEAM}services:\n  web: {{image: x}}\n",
        "sub/over.yaml": "services:\n  web: {build: ./site}\n",
    }
    web = load(tmp_path, files, over=["sub/over.yaml"]).services[0]
    assert web.build is not None
    assert web.build.context == tmp_path / "site"


def test_what_nobody_uses_is_worth_a_notice(tmp_path: Path) -> None:
    text = f"{TEAM}services:\n  web: {{image: x}}\nnetworks:\n  idle:\n"
    notices = load(tmp_path, {"compose.yaml": text}).notices
    assert any("compose.yaml:5: no active service uses networks.idle" in notice for notice in notices)


BASE = {"compose.yaml": f"{TEAM}services:\n  web: {{image: x}}\n"}

# The files, the one that is blamed with its line, words of the sentence, words of the remedy.
REFUSED = {
    "services that extend each other": (
        {"compose.yaml": f"{TEAM}services:\n  a: {{extends: b}}\n  b: {{extends: a}}\n"},
        ("compose.yaml", 4),
        "extend one another in a circle",
        "Take one out",
    ),
    "an unknown service to extend": (
        {"compose.yaml": f"{TEAM}services:\n  web: {{extends: bse}}\n  base: {{image: x}}\n"},
        ("compose.yaml", 3),
        "no service 'bse'",
        "'base'",
    ),
    "a file to extend that isn't there": (
        {"compose.yaml": f"{TEAM}services:\n  web: {{extends: {{file: no.yaml, service: a}}}}\n"},
        ("no.yaml", 0),
        "no such file",
        "Check the path",
    ),
    "files that include one another": (
        {
            "compose.yaml": f"{TEAM}include: [a.yaml]\nservices: {{web: {{image: x}}}}\n",
            "a.yaml": "include: [compose.yaml]\nservices: {a: {image: x}}\n",
        },
        ("a.yaml", 1),
        "include one another in a circle",
        "Take one",
    ),
    "two meanings of one name": (
        {
            "compose.yaml": f"{TEAM}include: [a.yaml]\nservices:\n  web: {{image: x}}\n",
            "a.yaml": "services:\n  web: {image: y}\n",
        },
        ("compose.yaml", 4),
        "services.web",
        "Rename one",
    ),
    "a mistake in an included file": (
        {
            "compose.yaml": f"{TEAM}include: [a.yaml]\nservices: {{web: {{image: x}}}}\n",
            "a.yaml": "services:\n  db:\n    image: x\n    privleged: true\n",
        },
        ("a.yaml", 4),
        "'privleged' isn't known",
        "'privileged'",
    ),
    "a key of an extended service that isn't taken": (
        {
            "compose.yaml": f"{TEAM}services:\n  web: {{extends: {{file: a.yaml, service: a}}}}\n",
            "a.yaml": "services:\n  a:\n    image: x\n    credential_spec: {file: y}\n",
        },
        ("a.yaml", 4),
        "doesn't support 'credential_spec'",
        "Windows only",
    ),
    "an environment file that isn't there": (
        {"compose.yaml": f"{TEAM}services:\n  web:\n    image: x\n    env_file: no.env\n"},
        ("compose.yaml", 5),
        "no file",
        "`env_file`",
    ),
    "a format that nobody knows": (
        {
            "compose.yaml": f"{TEAM}services:\n  web:\n    image: x\n    env_file: [{{path: a.env, format: xml}}]\n",
            "a.env": "",
        },
        ("compose.yaml", 5),
        "'xml' isn't known",
        "`raw`",
    ),
    "a mistake in an environment file": (
        {"compose.yaml": f"{TEAM}services:\n  web: {{image: x, env_file: a.env}}\n", "a.env": "A=1\nB C=2\n"},
        ("a.env", 2),
        "variable's name",
        "NAME=value",
    ),
    "a command that a shell would read": (
        {"compose.yaml": f"{TEAM}services:\n  web:\n    image: x\n    command: a && b\n"},
        ("compose.yaml", 5),
        "'&&' does nothing here",
        "sh -c",
    ),
    "two numbers of instances": (
        {"compose.yaml": f"{TEAM}services:\n  web:\n    image: x\n    scale: 2\n    deploy: {{replicas: 3}}\n"},
        ("compose.yaml", 5),
        "differ",
        "`scale`",
    ),
    "an empty item": (
        {"compose.yaml": f"{TEAM}services:\n  web:\n    image: x\n    expose:\n      - 80\n      -\n"},
        ("compose.yaml", 7),
        "is empty",
        "leave it out",
    ),
    "a tag that nobody knows": (
        {"compose.yaml": f"{TEAM}services:\n  web:\n    image: !rest x\n"},
        ("compose.yaml", 4),
        "!rest",
        "without a tag",
    ),
    "a number that readers disagree on": (
        {"compose.yaml": f"{TEAM}services:\n  web:\n    image: x\n    environment: {{A: 0755}}\n"},
        ("compose.yaml", 5),
        "755 to some readers",
        "quotes",
    ),
}


@pytest.mark.parametrize(("files", "place", "words", "remedy"), REFUSED.values(), ids=REFUSED.keys())
def test_files_are_refused_for(
    tmp_path: Path, files: Mapping[str, str], place: tuple[str, int], words: str, remedy: str
) -> None:
    error = refusal(tmp_path, files)
    assert (error.file, error.line) == (str(tmp_path / place[0]), place[1]), str(error)
    assert words in error.sentence
    assert remedy in error.remedy


def test_the_files_that_all_this_is_tried_on_are_accepted(tmp_path: Path) -> None:
    assert load(tmp_path, BASE).name == "app"

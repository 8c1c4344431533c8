"""What becomes of instances that end: always started again, tried again after failures, or left as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from springtide.formats.app_specs import with_images
from springtide.model.workloads import Dependency, RestartCondition, RestartPolicy
from tests.formats.compose_files import load, refusal, service_text, web
from tests.formats.test_compose import NOW

ALWAYS, ON_FAILURE, NEVER = RestartCondition.ALWAYS, RestartCondition.ON_FAILURE, RestartCondition.NEVER

POLICIES = {
    "nothing said": ("user: a", RestartPolicy()),
    "always": ("restart: always", RestartPolicy(ALWAYS)),
    "unless stopped": ("restart: unless-stopped", RestartPolicy(ALWAYS)),
    "no": ("restart: 'no'", RestartPolicy(NEVER)),
    "a bare no": ("restart: no", RestartPolicy(NEVER)),
    "failures without a limit": ("restart: on-failure", RestartPolicy(ON_FAILURE)),
    "failures with one": ("restart: on-failure:3", RestartPolicy(ON_FAILURE, 3)),
    "an empty policy": ("deploy: {restart_policy: {}}", RestartPolicy(ALWAYS)),
    "any": ("deploy: {restart_policy: {condition: any}}", RestartPolicy(ALWAYS)),
    "none": ("deploy: {restart_policy: {condition: none}}", RestartPolicy(NEVER)),
    "a whole policy": (
        "deploy: {restart_policy: {condition: on-failure, delay: 1m30s, max_attempts: 4, window: 2m}}",
        RestartPolicy(ON_FAILURE, 4, 90.0, 120.0),
    ),
    "deploy over restart": (
        "restart: always\ndeploy: {restart_policy: {condition: on-failure, max_attempts: 2}}",
        RestartPolicy(ON_FAILURE, 2),
    ),
    "deploy over restart, the other way": (
        "restart: on-failure:2\ndeploy: {restart_policy: {condition: any}}",
        RestartPolicy(ALWAYS),
    ),
}

REFUSALS = {
    "a misspelt policy": ("restart: allways", 5, ".restart", "isn't a restart policy", "'always'"),
    "a limit that is no number": ("restart: on-failure:many", 5, ".restart", "isn't a restart policy", ""),
    "a misspelt condition": (
        "deploy: {restart_policy: {condition: onfailure}}",
        5,
        ".deploy.restart_policy.condition",
        "isn't a condition",
        "'on-failure'",
    ),
    "a limit for what is always started": (
        "deploy: {restart_policy: {max_attempts: 3}}",
        5,
        ".deploy.restart_policy.max_attempts",
        "the condition is any",
        "condition: on-failure",
    ),
    "a delay for what is never started again": (
        "deploy: {restart_policy: {condition: none, delay: 5s}}",
        5,
        ".deploy.restart_policy.delay",
        "the condition is none",
        "Leave `delay` out",
    ),
    "an unknown part": (
        "deploy: {restart_policy: {delai: 5s}}",
        5,
        ".deploy.restart_policy.delai",
        "",
        "",
    ),
    "a count that follows the load": (
        "restart: on-failure\nx-springtide: {scale: {min: 1, max: 4}}",
        5,
        ".restart",
        "asks for 1 to 4",
        "deploy.replicas",
    ),
}

MIGRATION = """\
x-springtide: {team: feed}
services:
  migrate: {image: migrate%s}
  web:
    image: web
    depends_on:
      migrate: {condition: service_completed_successfully}
"""


@pytest.mark.parametrize(("body", "policy"), POLICIES.values(), ids=POLICIES.keys())
def test_a_service_says_what_becomes_of_instances_that_end(tmp_path: Path, body: str, policy: RestartPolicy) -> None:
    assert web(tmp_path, body).template.restart == policy


@pytest.mark.parametrize(("body", "line", "key", "sentence", "remedy"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_cannot_be_honoured_is_refused(
    tmp_path: Path, body: str, line: int, key: str, sentence: str, remedy: str
) -> None:
    error = refusal(tmp_path, service_text(body))
    assert (error.line, error.key) == (line, f"services.web{key}")
    assert sentence in error.sentence
    assert remedy in error.remedy


def test_what_others_wait_for_to_complete_runs_once(tmp_path: Path) -> None:
    migrate, web = load(tmp_path, MIGRATION % "").services
    assert migrate.template.restart == RestartPolicy(NEVER)
    assert web.template.restart == RestartPolicy()
    assert web.service.depends_on == (Dependency(migrate.service.id, completed=True),)


def test_what_others_wait_for_may_be_tried_again(tmp_path: Path) -> None:
    migrate, _ = load(tmp_path, MIGRATION % ", restart: on-failure:2").services
    assert migrate.template.restart == RestartPolicy(ON_FAILURE, 2)


def test_what_is_always_started_again_cannot_be_waited_for(tmp_path: Path) -> None:
    error = refusal(tmp_path, MIGRATION % ", restart: always")
    assert (error.line, error.key) == (7, "services.web.depends_on.migrate.condition")
    assert "'migrate' never completes: line 3" in error.sentence


@pytest.mark.parametrize("side", ["web", "side"])
def test_one_container_of_several_cannot_run_to_its_end_alone(tmp_path: Path, side: str) -> None:
    says = {"web": "", "side": "", side: ", restart: 'no'"}
    text = (
        "x-springtide: {team: feed}\nservices:\n"
        f"  web: {{image: x{says['web']}}}\n"
        f"  side: {{image: x, network_mode: 'service:web'{says['side']}}}\n"
    )
    error = refusal(tmp_path, text)
    assert error.key == f"services.{side}.restart"
    assert "one instance with others" in error.sentence


def test_another_policy_is_another_revision_and_the_usual_one_changes_none(tmp_path: Path) -> None:
    def revision(body: str) -> str:
        return with_images(load(tmp_path, service_text(body)), {"web": "sha256:1"}, NOW).revisions[0].id

    assert revision("user: a") == revision("user: a\nrestart: always")
    assert revision("user: a") != revision("user: a\nrestart: on-failure")

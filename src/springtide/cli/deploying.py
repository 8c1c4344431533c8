"""A deployment, step by step: files → images → the record's want → ready instances."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from springtide.cli.client import Client
from springtide.cli.failures import crash_failure, run_failure, timeout_failure
from springtide.model.errors import ComposeFileError, InputError

if TYPE_CHECKING:
    from springtide.formats.app_specs import AppSpec, DeployedApp, ImageSpec
    from springtide.model.builds import BuildSpec
    from springtide.model.fleet import Fleet

LOOK_SECONDS = 0.2
CRASHES_TO_GIVE_UP = 3
STEADY_SECONDS = 10.0
"""What runs to its end is waited for; one that has run for so long counts as well started."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one service of a deployment is. ``run`` is what the API says of one that runs to its end.

    Of such a one ``ready`` counts those that have run for a while.
    """

    service: str
    ready: int
    minimum: int
    run: dict[str, Any] | None = None

    @property
    def completed(self) -> int:
        return self.run["completed"] if self.run is not None else 0

    @property
    def is_done(self) -> bool:
        return self.ready + self.completed >= self.minimum

    @property
    def in_words(self) -> str:
        if self.run is None:
            return f"{self.service} {self.ready} of {self.minimum} ready"
        running = f", {self.ready} running" if self.ready else ""
        return f"{self.service} {self.completed} of {self.minimum} completed{running}"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment through one control plane; ``tell`` hears of each step."""

    client: Client
    tell: Progress

    def read(
        self, files: Sequence[Path], env_file: Path | None, project: str | None, profiles: Sequence[str] = ()
    ) -> AppSpec:
        """The app that the files describe, with the services of these profiles; without files, of those lying here.

        Raises ComposeFileError with file, line and remedy.
        """
        from springtide.formats.compose import load_app
        from springtide.formats.compose_default_files import default_files

        environment = _environment(env_file)
        files = files or default_files(Path.cwd(), environment)
        spec = load_app(files, environment=environment, project=project, fleet=self.fleet(), profiles=profiles)
        for notice in spec.notices:
            self.tell(f"note: {notice}")
        return spec

    def fleet(self) -> Fleet:
        from springtide.api.fleet_form import fleet_of

        return fleet_of(self.client.get("fleet"))

    def pin(self, spec: AppSpec) -> DeployedApp:
        """Build or resolve each image, once each, and pin the containers to them."""
        from springtide.formats.app_specs import with_images

        images: dict[str, str] = {}
        made: dict[object, str] = {}
        for each in spec.images:
            wish = each.build or each.image
            if wish not in made:
                made[wish] = self._image(each)
            images[each.name] = made[wish]
        return with_images(spec, images, datetime.now(UTC))

    def put(self, deployed: DeployedApp) -> dict[str, Any]:
        """Write the want; what the control plane says of it: version, services, removed, urls."""
        answer: dict[str, Any] = self.client.send("PUT", "apps", deployed.app.name, body=app_json(deployed))
        for id in answer["removed"]:
            self.tell(f"{id}: not in the files any more, so it is removed")
        return answer

    def wait(self, deployed: DeployedApp, timeout_seconds: float) -> list[Standing]:
        """Wait until each service has its minimum of ready or completed instances of the new revision.

        Raises CommandError with cause, evidence and next step when the time is over, as soon as
        instances have ended several times in a row, or once what runs to its end has failed for good.
        """
        deadline, said = time.monotonic() + timeout_seconds, ""
        revisions: dict[str, str] = {service.id: service.revision for service in deployed.services}
        while True:
            standings = self._standings(revisions)
            line = ", ".join(each.in_words for each in standings)
            if line != said:
                self.tell(line)
                said = line
            late = [each for each in standings if not each.is_done]
            if not late:
                return standings
            for each in late:
                if each.run is not None and each.run["has_failed"]:
                    raise run_failure(self.client, each.service, each.run)
            self._give_up_on_crashes(late)
            if time.monotonic() > deadline:
                raise timeout_failure(self.client, late[0].service, f"{timeout_seconds:g} s")
            time.sleep(LOOK_SECONDS)

    def _image(self, spec: ImageSpec) -> str:
        begun = time.monotonic()
        if spec.build is not None:
            self.tell(f"{spec.name}: building {spec.build.context}")
            answer = self.client.send("POST", "images", "build", body=_as_json(spec.build))
        else:
            self.tell(f"{spec.name}: looking for {spec.image}")
            answer = self.client.send("POST", "images", "resolve", body={"reference": spec.image})
        image = str(answer["image"])
        self.tell(f"{spec.name}: {image.removeprefix('sha256:')[:19]} ({time.monotonic() - begun:.1f} s)")
        return image

    def _standings(self, revisions: Mapping[str, str]) -> list[Standing]:
        ready = dict.fromkeys(revisions, 0)
        instances = self.client.get("instances")
        services = {each["id"]: each for each in self.client.get("services")}
        runs = {id: services[id]["run"] for id in revisions if id in services}
        for each in instances:
            id = each["service"]
            is_steady = runs.get(id) is None or each["age_seconds"] >= STEADY_SECONDS
            if each["readiness"] == "ready" and each["revision"] == revisions.get(id) and is_steady:
                ready[id] += 1
        minimum = {id: each["minimum"] for id, each in services.items()}
        return [Standing(id, ready[id], minimum.get(id, 0), runs.get(id)) for id in revisions]

    def _give_up_on_crashes(self, late: Sequence[Standing]) -> None:
        for each in late:
            app, _, name = each.service.partition("/")
            why = self.client.get("why", app, name)
            if why["crashes"] and why["crashes"]["count"] >= CRASHES_TO_GIVE_UP:
                raise crash_failure(self.client, each.service, why)


def _environment(file: Path | None) -> dict[str, str]:
    """The variables of this shell over those of the file."""
    if file is None:
        return dict(os.environ)
    from springtide.formats.dotenv import parse_dotenv
    from springtide.formats.yaml_text import read_text

    if not file.is_file():
        raise InputError("There is no such file.", file=str(file), remedy="Name one that exists with --env-file.")
    return {**parse_dotenv(read_text(file, ComposeFileError), str(file), os.environ), **os.environ}


def app_json(deployed: DeployedApp) -> Any:
    """The app as the API takes it."""
    return _as_json(deployed)


def _as_json(said: DeployedApp | BuildSpec) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(type(said)).dump_python(said, mode="json")

"""A deployment, step by step: files → images → what would change → the record's want → ready instances."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from springtide.cli.client import Client
from springtide.model.errors import ComposeFileError, InputError, RefusedError

if TYPE_CHECKING:
    from springtide.formats.app_specs import AppSpec, DeployedApp, ImageSpec
    from springtide.model.builds import BuildSpec
    from springtide.model.fleet import Fleet

BUILDS_AT_ONCE = 4

Progress = Callable[[str], None]


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

        found = self._pulled(spec)
        built = self._built(spec)
        images = {each.name: built[each.build] if each.build else found[each.name] for each in spec.images}
        return with_images(spec, images, datetime.now(UTC))

    def pin_what_is_there(self, spec: AppSpec) -> tuple[DeployedApp, dict[str, str]]:
        """Pin to images that the engine has. Of each other container: whether ``build`` or ``pull`` would bring it."""
        from springtide.formats.app_specs import with_images

        found = self._found({each.image for each in spec.images if each.build is None}, "never")
        unknown = {each.name: _way_to(each) for each in spec.images if _may_change(each, found)}
        images = {each.name: each.image if each.name in unknown else str(found[each.image]) for each in spec.images}
        return with_images(spec, images, datetime.now(UTC)), unknown

    def changes(self, deployed: DeployedApp, unknown_images: Mapping[str, str]) -> dict[str, Any]:
        """What putting the app would change; it is checked as if it were put."""
        body = {"app": app_json(deployed), "unknown_images": dict(unknown_images)}
        answer: dict[str, Any] = self.client.send("POST", "apps", deployed.app.name, "changes", body=body)
        return answer

    def put(self, deployed: DeployedApp) -> dict[str, Any]:
        """Write the want; what the control plane says of it: version, services, removed, urls."""
        answer: dict[str, Any] = self.client.send("PUT", "apps", deployed.app.name, body=app_json(deployed))
        return answer

    def _pulled(self, spec: AppSpec) -> dict[str, str]:
        """The image of each container that isn't built, by its name; pulled as its ``pull_policy`` says."""
        found: dict[str, str] = {}
        for pull in dict.fromkeys(each.pull for each in spec.images):
            wanted = [each for each in spec.images if each.build is None and each.pull is pull]
            answer = self._found({each.image for each in wanted}, pull)
            for each in wanted:
                image = answer[each.image]
                if image is None:
                    sentence = (
                        f"The image {each.image} of {each.name} is missing, and `pull_policy` forbids to pull it."
                    )
                    raise RefusedError(sentence, remedy="Load it (docker load), or write `pull_policy: missing`.")
                found[each.name] = image
        return found

    def _found(self, references: set[str], pull: str) -> dict[str, str | None]:
        """Images by reference. Raises RefusedError where one was to be pulled in any case and could not be."""
        if not references:
            return {}
        body = {"references": sorted(references), "pull": pull}
        answer = self.client.send("POST", "images", "find", body=body)
        if answer["notices"]:
            raise RefusedError(answer["notices"][0], remedy="Write `pull_policy: missing` where the old one will do.")
        images: dict[str, str | None] = answer["images"]
        return images

    def _built(self, spec: AppSpec) -> dict[BuildSpec | None, str]:
        """Each once, a few at a time."""
        first: dict[BuildSpec | None, ImageSpec] = {}
        for each in spec.images:
            if each.build is not None:
                first.setdefault(each.build, each)
        if not first:
            return {}
        with ThreadPoolExecutor(BUILDS_AT_ONCE) as builders:
            return dict(zip(first, builders.map(self._build, first.values()), strict=True))

    def _build(self, spec: ImageSpec) -> str:
        assert spec.build is not None
        begun = time.monotonic()
        self.tell(f"{spec.name}: building {spec.build.context}")
        answer = self.client.send("POST", "images", "build", body=_as_json(spec.build))
        image = str(answer["image"])
        self.tell(f"{spec.name}: {image.removeprefix('sha256:')[:19]} ({time.monotonic() - begun:.1f} s)")
        return image


def _may_change(image: ImageSpec, found: Mapping[str, str | None]) -> bool:
    return image.build is not None or image.pull == "always" or found[image.image] is None


def _way_to(image: ImageSpec) -> str:
    return "build" if image.build is not None else "pull"


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


def _as_json(said: Any) -> Any:
    """As Pydantic, which takes long to import, would say it; what has its default is left out."""
    if is_dataclass(said) and not isinstance(said, type):
        named = ((each, getattr(said, each.name)) for each in fields(said))
        return {each.name: _as_json(value) for each, value in named if each.default is MISSING or each.default != value}
    if isinstance(said, tuple):
        return [_as_json(each) for each in said]
    if isinstance(said, datetime):
        return said.isoformat()
    return str(said) if isinstance(said, Path) else said

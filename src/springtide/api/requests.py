"""What people send besides apps."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from springtide.formats.app_specs import DeployedApp
from springtide.model.builds import Pull

MOST_INSTANCES = 1_000_000
MOST_IMAGES = 1_000


class Asked(BaseModel):
    """A key that isn't known is refused, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ScaleRequest(Asked):
    """Either ``count``, or ``minimum`` and ``maximum``."""

    count: int | None = Field(default=None, ge=0, le=MOST_INSTANCES)
    minimum: int | None = Field(default=None, ge=0, le=MOST_INSTANCES)
    maximum: int | None = Field(default=None, ge=0, le=MOST_INSTANCES)

    @model_validator(mode="after")
    def _one_form(self) -> ScaleRequest:
        fixed = self.count is not None and self.minimum is None and self.maximum is None
        ranged = self.count is None and self.minimum is not None and self.maximum is not None
        if not fixed and not ranged:
            raise ValueError("Give either count, or both minimum and maximum.")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"The minimum of {self.minimum} is above the maximum of {self.maximum}.")
        return self

    @property
    def bounds(self) -> tuple[int, int]:
        """The minimum and the maximum asked for."""
        if self.count is not None:
            return self.count, self.count
        return self.minimum or 0, self.maximum or 0


class FindImagesRequest(Asked):
    """``pull``: where an image is missing, always (the old one stays where that fails), or never."""

    references: list[Annotated[str, Field(min_length=1)]] = Field(max_length=MOST_IMAGES)
    pull: Pull = Pull.MISSING


class ServicesRequest(Asked):
    """Some services of an app by their names; none: all of them."""

    services: list[str] = []


class RedeployRequest(ServicesRequest):
    """With ``dry_run`` nothing is pulled or written."""

    dry_run: bool = False


class AppChangesRequest(Asked):
    """``unknown_images`` are containers whose images would have to be built or pulled first."""

    app: DeployedApp
    unknown_images: dict[str, Literal["build", "pull"]] = {}


class ResolveRequest(Asked):
    reference: str = Field(min_length=1)

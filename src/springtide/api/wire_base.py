"""What every form of an answer builds on: frozen models, amounts by kind, reasons."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from springtide.model.events import Figure, Reason
from springtide.model.resources import Ceiling, Resources

Amounts = dict[str, int]
"""Amounts of resources by kind: ``{"cpu_millis": 200, "memory_bytes": 268435456}``."""


class Wire(BaseModel):
    """Built once and sent; never changed."""

    model_config = ConfigDict(frozen=True)


class ReasonWire(Wire):
    """A stable code for programs, a sentence for people, and the figures both rest on."""

    code: str
    sentence: str
    figures: dict[str, Figure]


def reason_wire(reason: Reason) -> ReasonWire:
    return ReasonWire(code=reason.code, sentence=reason.sentence, figures=dict(reason.figures))


def amounts(resources: Resources | Ceiling) -> Amounts:
    return dict(resources.amounts)

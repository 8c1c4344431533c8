"""Bad days that the clouds without a cloud behind them play on request."""

from __future__ import annotations

from dataclasses import dataclass

from springtide.model.fleet import CloudFaults


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong from now on. "Every n-th" counts requests from 1; 0 is never.

    ``accept_seconds``: a rent request takes so long to reach the cloud; it arrives even where
    whoever sent it is gone by then. ``answer_seconds``: the machine is there, but the answer is
    late. ``deliver_again_seconds``: the same request arrives once more, so long after the first.
    """

    out_of_stock: bool = False
    refuse_rent_every: int = 0
    fail_halfway_every: int = 0
    """The machine is rented, but the caller gets an error."""
    refuse_return_every: int = 0
    accept_seconds: float = 0.0
    answer_seconds: float = 0.0
    deliver_again_seconds: float | None = None

    @classmethod
    def of(cls, configured: CloudFaults) -> Faults:
        """The faults that a fleet file asks for."""
        return cls(out_of_stock=configured.out_of_stock, refuse_rent_every=configured.fail_every)


def strikes(every: int, request_number: int) -> bool:
    """Whether a fault that comes every n-th time comes at this request."""
    return every > 0 and request_number % every == 0

"""The tide on stage: two teams, a peak, a reclaim, an ebb, with real containers and real traffic."""

from springtide.demo.run import run_demo

__all__ = ["run_demo"]

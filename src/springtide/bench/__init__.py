"""Measurements against peers, interleaved in one run. Figures in time live here, never in a test."""

"""Loops around the planner: they observe, have plans made and committed, and carry them out.

Only these change the world. Each loop only observes or only acts; decisions are made in ``planning``.
"""

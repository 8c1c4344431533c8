"""Decisions. Pure: a snapshot goes in, data comes out; no clock, no chance, no input or output.

Read ``planner.py`` first: it composes the others in order.
"""

"""Adapters that run instances. Each passes the contract suite in ``tests/contracts``."""

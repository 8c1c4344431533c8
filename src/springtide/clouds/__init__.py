"""Adapters that rent nodes. Each passes the contract suite in ``tests/contracts``."""

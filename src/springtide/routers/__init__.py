"""Adapters that send traffic to ready instances. Each passes the contract suite in ``tests/contracts``."""

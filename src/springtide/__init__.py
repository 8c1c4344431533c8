"""Springtide: own machines first, the shared pool next, rented machines last, and home again."""

__version__ = "0.1.0"

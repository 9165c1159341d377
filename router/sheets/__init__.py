"""Imports in the router's room: the kinds that go through its normalization, their registry, and the worker."""

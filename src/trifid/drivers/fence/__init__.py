"""Fence drivers: switch hosts off, and tell whether they are."""

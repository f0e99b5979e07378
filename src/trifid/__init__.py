"""Trifid, a virtual infrastructure engine: tools, core, drivers."""

__version__ = "0.1.0"

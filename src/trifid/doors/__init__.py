"""Protocols by which requests come in; behind each is the same dispatcher."""

"""Hooks and webhooks: what the journal and the API's calls set off outside the engine."""

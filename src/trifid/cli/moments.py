"""Moments as people write them."""

from datetime import datetime

from trifid.cli.failure import Failure


def epoch_seconds(word: str) -> int:
    """Return epoch seconds of `2026-11-26`, `2026-11-26 14:00` or `2026-11-26T14:00:30`, local time; raises Failure."""
    try:
        return int(datetime.fromisoformat(word).timestamp())
    except ValueError:
        raise Failure(f"{word} is no time", 'write 2026-11-26 or "2026-11-26 14:00"') from None

"""The room of datastores that hold nothing, as drivers answer MONITOR."""

TOTAL_MIB = 1024 * 1024


def room() -> str:
    """Return the answer to MONITOR: a tebibyte, all of it free."""
    return f"USED_MB=0 TOTAL_MB={TOTAL_MIB} FREE_MB={TOTAL_MIB}"

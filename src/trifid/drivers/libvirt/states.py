"""What libvirt's states and events of a domain mean to the engine.

Source: reference/drivers.md §6.2 (POLL letters) and §5.2 (STATE_VM); libvirt's virDomainState.
"""

import re

import libvirt

NAME = re.compile(r"one-([0-9]{1,10})\Z")
"""Names of our domains."""

ALIVE = (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_BLOCKED, libvirt.VIR_DOMAIN_PMSUSPENDED)
MOVING = (libvirt.VIR_DOMAIN_PAUSED_MIGRATION, libvirt.VIR_DOMAIN_PAUSED_POSTCOPY)
STARTING = (libvirt.VIR_DOMAIN_PAUSED_STARTING_UP,)
PASSING = (
    *MOVING,
    *STARTING,
    libvirt.VIR_DOMAIN_PAUSED_SAVE,
    libvirt.VIR_DOMAIN_PAUSED_DUMP,
    libvirt.VIR_DOMAIN_PAUSED_SNAPSHOT,
    libvirt.VIR_DOMAIN_PAUSED_SHUTTING_DOWN,
)
"""Reasons of a pause that libvirt itself ends."""

LETTERS = {
    libvirt.VIR_DOMAIN_RUNNING: "a",
    libvirt.VIR_DOMAIN_BLOCKED: "a",
    libvirt.VIR_DOMAIN_PMSUSPENDED: "a",
    libvirt.VIR_DOMAIN_SHUTDOWN: "a",
    libvirt.VIR_DOMAIN_PAUSED: "p",
    libvirt.VIR_DOMAIN_CRASHED: "e",
    libvirt.VIR_DOMAIN_SHUTOFF: "d",
    libvirt.VIR_DOMAIN_NOSTATE: "d",
}
"""Answers of POLL; a domain that is defined and off does not run, and that is what is asked."""

WORDS = {"a": "RUNNING", "p": "SUSPENDED", "e": "FAILURE", "d": "POWEROFF"}
"""The same in STATE_VM."""
NO_WORD = "-"
"""In STATE_VM: it is there, and what it does will be over in a moment, which says nothing about the VM."""

_NEWS = (
    libvirt.VIR_DOMAIN_EVENT_STARTED,
    libvirt.VIR_DOMAIN_EVENT_RESUMED,
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED,
    libvirt.VIR_DOMAIN_EVENT_STOPPED,
    libvirt.VIR_DOMAIN_EVENT_CRASHED,
)
_NO_NEWS = (
    # somebody saves or moves it, and knows
    (libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_MIGRATED),
    (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED),
    (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED),
    (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_MIGRATED),
    (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT),
)


def word_of(state: int, reason: int) -> str:
    """Return the word of STATE_VM for a domain's state and libvirt's reason for it."""
    if state == libvirt.VIR_DOMAIN_PAUSED and reason in PASSING:
        return NO_WORD
    if state == libvirt.VIR_DOMAIN_SHUTOFF and reason == libvirt.VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT:
        return NO_WORD
    return WORDS[LETTERS.get(state, "d")]


def vm_id_of(domain_name: str) -> int | None:
    """Return the VM of a domain, None for domains that are not ours."""
    found = NAME.match(domain_name)
    return int(found.group(1)) if found else None


def is_news(event: int, detail: int) -> bool:
    """Tell whether a life-cycle event is a reason to look at the domains."""
    return event in _NEWS and (event, detail) not in _NO_NEWS

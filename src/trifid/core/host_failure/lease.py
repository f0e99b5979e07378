"""Storage leases: what it proves that a host did not renew its heartbeat.

The host has bound itself to end its VMs when it cannot renew, and says so with each renewal.  So a lease that is over
proves that they have ended, as far as the host does what it says: one that hangs and comes back may run them for a
moment longer, which only a watchdog of the host's own could keep it from.
"""

import re

import msgspec

_LEASE = re.compile(r"(?:^| )lease=([0-9]{1,5})(?: |$)", re.ASCII)


class Beat(msgspec.Struct, frozen=True):
    """What is known of a host's heartbeat in one datastore.  Times are seconds of a clock that does not jump.

    Attributes:
        text: as it was read last.
        since_s: when it was seen to be so first.
        read_s: when the last reading that is over was begun.
        has_changed: whether it was seen to change.
        others_beat: whether another host's beat in that datastore was seen to change lately: what is read is no
            remembrance of a file server that is gone.
    """

    text: str
    since_s: float
    read_s: float
    has_changed: bool
    others_beat: bool


def lease_s_of(text: str) -> int:
    """Return the lease that a beat declares, 0 for none."""
    found = _LEASE.search(text)
    return int(found[1]) if found else 0


def is_over(beat: Beat, margin_s: float) -> bool:
    """Tell whether a lease has run out, so that the host has ended the VMs that have their disks there."""
    lease_s = lease_s_of(beat.text)
    unrenewed_s = beat.read_s - beat.since_s
    return beat.has_changed and beat.others_beat and lease_s > 0 and unrenewed_s >= lease_s + margin_s

"""Why a domain is paused, or stopped: libvirt's numbers as words for the VM's owner.

Source: libvirt's virDomainPausedReason and virDomainEventStoppedDetailType.
"""

import libvirt

_PAUSED = {
    libvirt.VIR_DOMAIN_PAUSED_UNKNOWN: "paused",
    libvirt.VIR_DOMAIN_PAUSED_USER: "paused by hand on its host",
    libvirt.VIR_DOMAIN_PAUSED_IOERROR: "paused by an I/O error",
    libvirt.VIR_DOMAIN_PAUSED_WATCHDOG: "paused by its watchdog",
    libvirt.VIR_DOMAIN_PAUSED_FROM_SNAPSHOT: "paused since it was reverted to a snapshot",
    libvirt.VIR_DOMAIN_PAUSED_CRASHED: "paused because its guest crashed",
    libvirt.VIR_DOMAIN_PAUSED_POSTCOPY_FAILED: "paused by a migration that failed",
}

_DISK_ERRORS = {
    libvirt.VIR_DOMAIN_DISK_ERROR_NO_SPACE: "no space is left where it lies (ENOSPC)",
    libvirt.VIR_DOMAIN_DISK_ERROR_UNSPEC: "it cannot be read or written (EIO)",
}

STOPPED = {
    libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN: "its guest shut down",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED: "it was destroyed on its host",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED: "its guest crashed",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED: "its hypervisor process ended unexpectedly (killed, out of memory?)",
}
"""Detail of a STOPPED event to words; what is missing here somebody asked for, who knows."""


def why_paused(domain: "libvirt.virDomain") -> str:
    """Return why a paused domain is paused; with an I/O error, on which disk and which."""
    reason = domain.state()[1]
    said = _PAUSED.get(reason, f"paused (libvirt's reason {reason})")
    if reason != libvirt.VIR_DOMAIN_PAUSED_IOERROR:
        return said
    disks = [f"disk {disk}: {_DISK_ERRORS.get(error, error)}" for disk, error in sorted(domain.diskErrors().items())]
    return f"{said}: {', '.join(disks)}" if disks else said

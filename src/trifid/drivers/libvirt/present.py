"""A VM's domain as a libvirt has it: found, told from foreign ones of its name, waited for, removed."""

import time
from collections.abc import Callable

import libvirt

from trifid.drivers.kit import Failure, Request
from trifid.drivers.libvirt.identity import domain_uuid
from trifid.drivers.libvirt.reasons import why_paused
from trifid.drivers.libvirt.states import ALIVE, MOVING, STARTING
from trifid.drivers.libvirt.vm import VmDocument

LOOK_EVERY_S = 0.5
SETTLE_TIMEOUT_S = 30.0
BETWEEN_TIMEOUT_S = 60.0
"""A domain that is being made, restarted or taken down is done in less."""

_NOTHING_AT_WORK = (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_SUPPORT)
_LEFTOVERS = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA


def lookup(opened: "libvirt.virConnect", name: str) -> "libvirt.virDomain | None":
    """Return the domain of a name, whosever it is."""
    try:
        return opened.lookupByName(name)
    except libvirt.libvirtError as fault:
        if fault.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise


def own(opened: "libvirt.virConnect", vm: VmDocument, request: Request) -> "libvirt.virDomain | None":
    """Return the VM's domain; a foreign one of its name is none of ours and stays untouched."""
    domain = lookup(opened, vm.domain_name)
    if domain is not None and domain.UUIDString() != domain_uuid(vm):
        request.log(f"a foreign domain is called {vm.domain_name}, UUID {domain.UUIDString()}: left alone", "W")
        return None
    return domain


def running(opened: "libvirt.virConnect", vm: VmDocument, request: Request, host: str) -> "libvirt.virDomain":
    """Return the VM's domain, which runs or is paused.

    Raises:
        Failure: there is none.
    """
    domain = own(opened, vm, request)
    if domain is not None:
        until_clear(domain, request)
    if domain is None or not is_active(domain):
        raise Failure(f"{vm.domain_name} does not run on {host}")
    return domain


def refuse_foreign(domain: "libvirt.virDomain", vm: VmDocument, host: str) -> None:
    """Raise Failure when a domain of the VM's name is not the VM's."""
    if domain.UUIDString() != domain_uuid(vm):
        raise Failure(
            f"{host} has a domain {vm.domain_name} that is not this VM (UUID {domain.UUIDString()}, expected "
            f"{domain_uuid(vm)}): does another engine use this host? rename or remove it with virsh"
        )


def runs_or_is_removed(domain: "libvirt.virDomain", request: Request) -> bool:
    """Return whether the domain runs; one that is paused is resumed, one that is off is removed.

    Raises:
        Failure: it is half-way through a migration.
    """
    try:
        state, reason = settled(domain, request)
        if state in ALIVE:
            return True
        if state == libvirt.VIR_DOMAIN_PAUSED:
            if reason in MOVING:
                raise Failure(f"{domain.name()} is half-way through a migration: wait for its end, then try again")
            resume(domain, request)
            return True
    except libvirt.libvirtError as fault:
        if fault.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
        return False
    remove(domain, request)
    return False


def start_again(opened: "libvirt.virConnect", vm: VmDocument, request: Request, host: str) -> None:
    """Let an imported domain run, from the definition that it has.

    Raises:
        Failure: it is gone, and nobody else could make it again than who made it.
    """
    domain = own(opened, vm, request)
    if domain is None:
        raise Failure(f"{vm.domain_name} was imported and is no longer defined on {host}: define it there again")
    if not is_active(domain):
        domain.create()
    elif domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
        resume(domain, request)


def resume(domain: "libvirt.virDomain", request: Request) -> None:
    """Let a domain go on that somebody or something paused; that it was is told in the VM's log."""
    request.log(f"{domain.name()} was {why_paused(domain)} and is resumed", "W")
    domain.resume()


def settled(domain: "libvirt.virDomain", request: Request) -> tuple[int, int]:
    """Return state and reason once the domain is not just being started or moved, or after a while."""
    until_clear(domain, request)
    end = time.monotonic() + SETTLE_TIMEOUT_S
    while True:
        state, reason = domain.state()
        is_passing = state == libvirt.VIR_DOMAIN_PAUSED and reason in (*STARTING, *MOVING)
        if not is_passing or time.monotonic() > end:
            return state, reason
        request.wait(LOOK_EVERY_S)


def is_active(domain: "libvirt.virDomain") -> bool:
    """Tell whether a domain has a process: it runs or is paused."""
    try:
        return bool(domain.isActive())
    except libvirt.libvirtError as fault:
        if fault.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return False
        raise


def is_between(domain: "libvirt.virDomain") -> bool:
    """Tell whether a domain looks off and is not: libvirt is at work, and it will run in a moment, or be gone.

    libvirt's Xen driver shows one like that while it is made, while its guest reboots, and while its devices are
    taken away.
    """
    try:
        if domain.state()[0] != libvirt.VIR_DOMAIN_SHUTOFF or domain.isPersistent():
            return False
        return bool(domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE)
    except libvirt.libvirtError as fault:
        if fault.get_error_code() in _NOTHING_AT_WORK:
            return False
        raise


def until_clear(domain: "libvirt.virDomain", request: Request) -> None:
    """Wait until a domain is off or not, or for a while."""
    end = time.monotonic() + BETWEEN_TIMEOUT_S
    while is_between(domain) and time.monotonic() < end:
        request.wait(LOOK_EVERY_S)


def stands_still(domain: "libvirt.virDomain", reasons: tuple[int, ...]) -> bool:
    """Tell whether a domain is paused for one of libvirt's reasons."""
    try:
        state, reason = domain.state()
    except libvirt.libvirtError as fault:
        if fault.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return False
        raise
    return state == libvirt.VIR_DOMAIN_PAUSED and reason in reasons


def remove(domain: "libvirt.virDomain", request: Request, vm: VmDocument | None = None) -> None:
    """End a domain and forget its definition, unless it is that of an imported VM.

    Raises:
        Failure: libvirt is at work on it and comes to no end: it might run afterwards.
    """
    until_clear(domain, request)
    if is_active(domain):
        tolerant(domain.destroy)
    if is_between(domain):
        raise Failure(f"{domain.name()} is half-way through a start or an end: wait, then try again; virsh tells more")
    if vm is not None and vm.is_imported:
        return
    try:
        if domain.isPersistent():
            domain.undefineFlags(_LEFTOVERS)
    except libvirt.libvirtError as fault:
        if fault.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise


def tolerant(act: Callable[[], object]) -> None:
    """Do something to a domain that may be off or gone by now."""
    try:
        act()
    except libvirt.libvirtError as fault:
        if fault.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):
            raise

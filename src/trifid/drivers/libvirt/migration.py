"""A running domain to another host: its memory, and its disks where hosts do not share them.

This process talks to both libvirts, which talk to each other only to copy.  Source: reference/drivers.md §6.3;
libvirt's virDomainMigrate3 (client-driven).
"""

import time
from xml.etree import ElementTree

import libvirt

from trifid.core.vm.transfer import is_written
from trifid.drivers.kit import Failure, Request, Verb
from trifid.drivers.libvirt.connection import Connection
from trifid.drivers.libvirt.desk import Desk
from trifid.drivers.libvirt.migration_options import MigrationOptions
from trifid.drivers.libvirt.migration_watch import Watch
from trifid.drivers.libvirt.present import LOOK_EVERY_S, is_active, own, remove, resume, stands_still, tolerant
from trifid.drivers.libvirt.snapshots import forget_metadata
from trifid.drivers.libvirt.states import ALIVE, MOVING, STARTING
from trifid.drivers.libvirt.vm import VmDocument
from trifid.wire.action_data import ActionData

ATTEMPT_TIMEOUT_S = 5.0
"""A migration's steps after the memory has been copied take less."""
ABORT_TIMEOUT_S = 30.0
OFF = "STATE=d"
"""Answer for a domain that ended on its source before it had moved."""


class Migrations:
    """Moves domains."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def verbs(self) -> dict[str, Verb]:
        """Return what is done for each word on the wire."""
        return {"MIGRATE": self.move, "MIGRATECOPY": self.move_with_disks}

    def move(self, request: Request) -> str:
        """Move the running domain to another host, which sees its disks; it is there already: good."""
        return self._move(request, with_disks=False)

    def move_with_disks(self, request: Request) -> str:
        """Move it to a host that has empty disks for it, with what is in its own; it is there already: good.

        A domain that ends meanwhile is off where it was, and has never run on the target: then OFF is the answer.
        """
        if not self._desk.connector.tunes_migration:
            name = self._desk.connector.title or self._desk.connector.name
            raise Failure(f"{name} takes no disks along: move it cold")
        return self._move(request, with_disks=True)

    def _move(self, request: Request, *, with_disks: bool) -> str:
        data, vm, source = self._desk.about(request)
        target = self._desk.connections.to(data.migrate_host)
        options = self._desk.options.migration.of(vm)
        if target is source:
            raise Failure(f"{data.host} and {data.migrate_host} have the same libvirt, {source.uri}: nothing to move")
        with target.open() as there, source.open() as here:
            domain, arrived = _after_earlier_attempts(here, there, vm, request)
            if arrived is not None and is_alive(arrived) and (domain is None or stands_still(domain, MOVING)):
                if domain is not None:
                    request.log(f"{vm.domain_name} has moved: what was left of it on {data.host} goes", "W")
                    remove(domain, request)
                return vm.domain_name
            if domain is None or not is_active(domain):
                raise Failure(f"{vm.domain_name} does not run on {data.host}, so it cannot be moved")
            _end_earlier_attempt(domain, arrived, request)
            if stands_still(domain, MOVING):
                resume(domain, request)
            forget_metadata(domain)  # libvirt moves no domain that it knows snapshots of; they are in the images
            flags, parameters = self._how(options, data.migrate_host)
            if with_disks and (names := written_disks(domain.XMLDesc(), vm, data)):
                flags |= libvirt.VIR_MIGRATE_NON_SHARED_DISK
                parameters[libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS] = names
            watch = Watch(domain, there, request, options, data.migrate_host)
            try:
                self._migrate(domain, there, flags, parameters, watch)
            except libvirt.libvirtError as fault:
                if with_disks and not watch.why and _has_ended(here, there, vm, request):
                    request.log(f"{vm.domain_name} ended on {data.host} before it had moved", "W")
                    return OFF
                raise Failure(_why(fault, watch, source, data)) from fault
            request.log(f"moved to {data.migrate_host} in {watch.elapsed_s:.1f} s{_stood_still(there, vm, request)}")
        return vm.domain_name

    def _how(self, options: MigrationOptions, target: str) -> tuple[int, dict[str, object]]:
        """Return libvirt's flags and parameters; a hypervisor that knows less gets none."""
        if not self._desk.connector.tunes_migration:
            return libvirt.VIR_MIGRATE_LIVE, {}
        unsafe = libvirt.VIR_MIGRATE_UNSAFE if self._desk.options.unsafe_migration else 0
        return options.flags | unsafe, options.parameters(target)

    def _migrate(
        self,
        domain: "libvirt.virDomain",
        there: "libvirt.virConnect",
        flags: int,
        parameters: dict[str, object],
        watch: Watch,
    ) -> None:
        if watch.max_downtime_ms and self._desk.connector.tunes_migration:
            domain.migrateSetMaxDowntime(watch.max_downtime_ms)
        with watch:
            domain.migrate3(there, parameters, flags)


def written_disks(domain_xml: str, vm: VmDocument, data: ActionData) -> list[str]:
    """Return the targets (vda, sdb) of a domain's disks that its guest may write to.

    Raises:
        Failure: these are others than the target was prepared for.
    """
    found: dict[str, str] = {}
    for disk in ElementTree.fromstring(domain_xml).iterfind("devices/disk"):  # noqa: S314 (libvirt's own)
        source, target = disk.find("source"), disk.find("target")
        path = "" if source is None else source.get("file") or source.get("dev") or source.get("name") or ""
        if path and disk.find("readonly") is None:
            found[path] = "" if target is None else target.get("dev", "")
    wanted = {
        f"{data.disk_target_path}/disk.{disk.get('DISK_ID', '')}"
        for disk in vm.template.vectors("DISK")
        if is_written(disk)
    }
    if found.keys() != wanted:
        raise Failure(
            f"{vm.domain_name} writes to {', '.join(sorted(found)) or 'no disk'}, and {data.migrate_host} was prepared "
            f"for {', '.join(sorted(wanted)) or 'none'}: move it cold"
        )
    return sorted(found.values())


def _after_earlier_attempts(
    here: "libvirt.virConnect", there: "libvirt.virConnect", vm: VmDocument, request: Request
) -> "tuple[libvirt.virDomain | None, libvirt.virDomain | None]":
    """Return the domain as its source and its target have it, once no earlier migration is at work or after a while.

    An attempt whose driver was killed at its end leaves the source's domain paused: libvirt does not know
    whether the target's runs.  Whoever asks both does, so nothing else may decide it.
    """
    end = time.monotonic() + ATTEMPT_TIMEOUT_S
    while True:
        domain, arrived = own(here, vm, request), own(there, vm, request)
        at_work = any(one is not None and stands_still(one, (*STARTING, *MOVING)) for one in (domain, arrived))
        if not at_work or time.monotonic() > end:
            return domain, arrived
        request.wait(LOOK_EVERY_S)


def _end_earlier_attempt(domain: "libvirt.virDomain", arrived: "libvirt.virDomain | None", request: Request) -> None:
    """End what a driver that was killed has begun: its copying goes on at the source, and nobody waits for it."""
    end = time.monotonic() + ABORT_TIMEOUT_S
    while _is_migrating(domain):
        tolerant(domain.abortJob)
        if time.monotonic() > end:
            raise Failure(f"{domain.name()}: an earlier migration goes on and cannot be ended: try again later")
        request.wait(LOOK_EVERY_S)
    if arrived is not None and is_alive(domain) and stands_still(arrived, (*STARTING, *MOVING)):
        request.log(f"what had arrived of {domain.name()} goes: it runs where it was", "W")
        tolerant(arrived.destroy)


def is_alive(domain: "libvirt.virDomain") -> bool:
    """Tell whether a domain runs; what had arrived for a driver that was killed may go while it is looked at."""
    try:
        return domain.state()[0] in ALIVE
    except libvirt.libvirtError as fault:
        if fault.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return False
        raise


def _is_migrating(domain: "libvirt.virDomain") -> bool:
    job = domain.jobStats()
    is_job = job.get("type", libvirt.VIR_DOMAIN_JOB_NONE) != libvirt.VIR_DOMAIN_JOB_NONE
    return bool(is_job and job.get("operation") == libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT)


def _has_ended(here: "libvirt.virConnect", there: "libvirt.virConnect", vm: VmDocument, request: Request) -> bool:
    """Tell whether a domain whose migration failed has ended at its source, by what both libvirts say.

    They were in touch all the time, so that the target can have told of a domain that ran there.
    """
    if here.isAlive() != 1 or there.isAlive() != 1:
        return False
    domain = own(here, vm, request)
    return own(there, vm, request) is None and (domain is None or not is_active(domain))


def _why(fault: "libvirt.libvirtError", watch: Watch, source: Connection, data: ActionData) -> str:
    """Return why a migration failed, and what to do about it."""
    if watch.why:
        return watch.why
    said = source.explained(fault)
    if fault.get_error_code() == libvirt.VIR_ERR_MIGRATE_UNSAFE:
        return (
            f"{said}: libvirt cannot tell that {data.host} and {data.migrate_host} share {data.disk_target_path}. If "
            "they do, give the virtual machine driver --unsafe-migration; if not, its datastore is one for transfer "
            "driver ssh"
        )
    return said


def _stood_still(there: "libvirt.virConnect", vm: VmDocument, request: Request) -> str:
    """Return how long the guest stood still, as far as the target's libvirt knows."""
    arrived = own(there, vm, request)
    try:
        stats = arrived.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED) if arrived is not None else {}
    except libvirt.libvirtError:
        return ""  # it is of no importance, and the domain may have ended by now
    return f", it stood still for {stats['downtime']} ms" if "downtime" in stats else ""

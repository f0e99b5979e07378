"""The verbs of the virtual machine driver, each safe to repeat.

A domain is transient: made by DEPLOY with everything about it, gone when it is off.  It is told from
foreign domains of its name by its UUID.  Source: reference/drivers.md §6.1, §6.2.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import libvirt

from trifid.drivers.kit import Failure, Request, Verb
from trifid.drivers.libvirt.connection import Connection, Connections
from trifid.drivers.libvirt.domain_xml import domain_uuid, domain_xml
from trifid.drivers.libvirt.figures import GROUPS, Sampler
from trifid.drivers.libvirt.images import check_images
from trifid.drivers.libvirt.options import Options
from trifid.drivers.libvirt.states import ALIVE, LETTERS, MOVING, STARTING
from trifid.drivers.libvirt.vm import VmDocument, parse_vm
from trifid.wire.action_data import ActionData

BUTTON_EVERY_S = 10.0
"""A guest that is still booting does not see the power button: it is pressed again."""
LOOK_EVERY_S = 0.5
SETTLE_TIMEOUT_S = 30.0
SAVED = (b"LibvirtQemudSave", b"TestGuestMagic")
"""First bytes of a complete checkpoint; libvirt writes others while it is not."""

_LEFTOVERS = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA


class Domains:
    """Carries out requests.

    Args:
        options: of the driver.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._connections = Connections(options)
        self._sampler = Sampler()

    def verbs(self) -> dict[str, Verb]:
        """Return what is done for each word on the wire."""
        return {
            "DEPLOY": self.deploy,
            "SHUTDOWN": self.shutdown,
            "CANCEL": self.cancel,
            "REBOOT": self.reboot,
            "RESET": self.reset,
            "POLL": self.poll,
            "SAVE": self.save,
            "RESTORE": self.restore,
            "MIGRATE": self.migrate,
        }

    def deploy(self, request: Request) -> str:
        """Make the domain run; it runs already: good."""
        data = request.data()
        vm = parse_vm(data.vm, self._options.engine_id)
        connection = self._connections.to(data.host)
        with connection.open() as opened:
            if (found := _lookup(opened, vm.domain_name)) is not None:
                _refuse_foreign(found, vm, data.host)
                if _runs_or_is_removed(found, request):
                    return vm.domain_name
            hypervisor = connection.hypervisor()
            if hypervisor.type == "qemu" and self._options.type == "auto":
                request.log(f"no KVM on {data.host}: it is emulated, which is slow")
            xml = domain_xml(vm, data.disk_target_path, hypervisor)
            if connection.is_local:
                _leave_for_people(request, data.remote_deployment_file, xml)
                for hint in check_images(xml):
                    request.log(hint, "W")
            try:
                _create(opened, xml, request)
            except libvirt.libvirtError:
                # a request of a driver that was killed may have been quicker
                left = _lookup(opened, vm.domain_name)
                if left is None or not _runs_or_is_removed(left, request):
                    raise
        return vm.domain_name

    def shutdown(self, request: Request) -> str:
        """Press the power button until the domain is off; it is off already: good."""
        data, vm, connection = self._about(request)
        gone = threading.Event()

        def heard(name: str, event: int, _: int) -> None:
            if name == vm.domain_name and event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
                gone.set()

        begun = time.monotonic()
        pressed = -BUTTON_EVERY_S
        with connection.open() as opened, connection.listening(heard):
            while (domain := _own(opened, vm, request)) is not None:
                if not _is_active(domain):
                    _remove(domain)
                    break
                waited = time.monotonic() - begun
                if waited >= self._options.shutdown_timeout_s:
                    raise Failure(
                        f"{vm.domain_name} on {data.host} was not off {self._options.shutdown_timeout_s:g} s after the "
                        "power button: its guest ignores ACPI; end it hard, or shut it down from inside"
                    )
                if waited - pressed >= BUTTON_EVERY_S:
                    _tolerant(domain.shutdown)
                    pressed = waited
                gone.wait(LOOK_EVERY_S)
                gone.clear()
                request.wait(0)
        return ""

    def cancel(self, request: Request) -> str:
        """End the domain at once; it is gone already: good."""
        _, vm, connection = self._about(request)
        with connection.open() as opened:
            if (domain := _own(opened, vm, request)) is not None:
                _remove(domain)
        return ""

    def reboot(self, request: Request) -> str:
        """Ask the guest to reboot."""
        data, vm, connection = self._about(request)
        with connection.open() as opened:
            _running(opened, vm, request, data.host).reboot(0)
        return ""

    def reset(self, request: Request) -> str:
        """Press the reset button."""
        data, vm, connection = self._about(request)
        with connection.open() as opened:
            _running(opened, vm, request, data.host).reset(0)
        return ""

    def poll(self, request: Request) -> str:
        """Return state and figures as the words of reference/drivers.md §6.2."""
        data, vm, connection = self._about(request)
        with connection.open() as opened:
            domain = _own(opened, vm, request)
            if domain is None:
                return "STATE=d"
            state, reason = _settled(domain, request)
            if state == libvirt.VIR_DOMAIN_PAUSED and reason in MOVING:
                raise Failure(f"{vm.domain_name} is half-way on its move to or from {data.host}")
            letter = LETTERS.get(state, "d")
            if letter == "d":
                return "STATE=d"
            [(_, stats)] = opened.domainListGetStats([domain], GROUPS) or [(domain, {})]
        found = self._sampler.figures(domain.UUIDString(), stats, time.monotonic())
        return (
            f"STATE={letter} USEDCPU={found.get('CPU', '0')} USEDMEMORY={found.get('MEMORY', '0')} "
            f"NETRX={found['NETRX']} NETTX={found['NETTX']}"
        )

    def save(self, request: Request) -> str:
        """Write the domain's memory to the checkpoint and end it; that has happened already: good."""
        data, vm, connection = self._about(request)
        with connection.open() as opened:
            domain = _own(opened, vm, request)
            if (domain is None or not _is_active(domain)) and connection.is_local and _is_saved(data.checkpoint_file):
                return ""
            if domain is None or not _is_active(domain):
                raise Failure(f"{vm.domain_name} does not run on {data.host}, so it cannot be saved")
            domain.save(data.checkpoint_file)
        return ""

    def restore(self, request: Request) -> str:
        """Make the domain run from its checkpoint, which is used up; it runs already: good."""
        data, vm, connection = self._about(request)
        with connection.open() as opened:
            if (found := _lookup(opened, vm.domain_name)) is not None:
                _refuse_foreign(found, vm, data.host)
            if found is None or not _runs_or_is_removed(found, request):
                opened.restore(data.checkpoint_file)
        if connection.is_local:
            # memory of then with disks of later is a broken guest: it must not be restored again
            Path(data.checkpoint_file).unlink(missing_ok=True)
        return vm.domain_name

    def migrate(self, request: Request) -> str:
        """Move the running domain to another host; it is there already: good.

        This process talks to both libvirts, which talk to each other only to copy memory.
        """
        data, vm, source = self._about(request)
        target = self._connections.to(data.migrate_host)
        if target is source:
            raise Failure(f"{data.host} and {data.migrate_host} have the same libvirt, {source.uri}: nothing to move")
        with target.open() as there, source.open() as here:
            domain = _own(here, vm, request)
            arrived = _own(there, vm, request)
            if domain is None and arrived is not None and arrived.state()[0] in ALIVE:
                return vm.domain_name
            if domain is None:
                raise Failure(f"{vm.domain_name} does not run on {data.host}, so it cannot be moved")
            flags = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
            if self._options.unsafe_migration:
                flags |= libvirt.VIR_MIGRATE_UNSAFE
            domain.migrate3(there, {}, flags)
        return vm.domain_name

    def _about(self, request: Request) -> tuple[ActionData, VmDocument, Connection]:
        data = request.data()
        return data, parse_vm(data.vm, self._options.engine_id), self._connections.to(data.host)


def _lookup(opened: "libvirt.virConnect", name: str) -> "libvirt.virDomain | None":
    try:
        return opened.lookupByName(name)
    except libvirt.libvirtError as fault:
        if fault.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise


def _own(opened: "libvirt.virConnect", vm: VmDocument, request: Request) -> "libvirt.virDomain | None":
    """Return the VM's domain; a foreign one of its name is none of ours and stays untouched."""
    domain = _lookup(opened, vm.domain_name)
    if domain is not None and domain.UUIDString() != domain_uuid(vm):
        request.log(f"a foreign domain is called {vm.domain_name}, UUID {domain.UUIDString()}: left alone", "W")
        return None
    return domain


def _running(opened: "libvirt.virConnect", vm: VmDocument, request: Request, host: str) -> "libvirt.virDomain":
    domain = _own(opened, vm, request)
    if domain is None or not _is_active(domain):
        raise Failure(f"{vm.domain_name} does not run on {host}")
    return domain


def _refuse_foreign(domain: "libvirt.virDomain", vm: VmDocument, host: str) -> None:
    if domain.UUIDString() != domain_uuid(vm):
        raise Failure(
            f"{host} has a domain {vm.domain_name} that is not this VM (UUID {domain.UUIDString()}, expected "
            f"{domain_uuid(vm)}): does another engine use this host? rename or remove it with virsh"
        )


def _runs_or_is_removed(domain: "libvirt.virDomain", request: Request) -> bool:
    """Return whether the domain runs; one that is paused is resumed, one that is off is removed.

    Raises:
        Failure: it is half-way through a migration.
    """
    try:
        state, reason = _settled(domain, request)
        if state in ALIVE:
            return True
        if state == libvirt.VIR_DOMAIN_PAUSED:
            if reason in MOVING:
                raise Failure(f"{domain.name()} is half-way through a migration: wait for its end, then try again")
            request.log(f"{domain.name()} was paused (reason {reason}) and is resumed", "W")
            domain.resume()
            return True
    except libvirt.libvirtError as fault:
        if fault.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
        return False
    _remove(domain)
    return False


def _settled(domain: "libvirt.virDomain", request: Request) -> tuple[int, int]:
    """Return state and reason once the domain is not just being started or moved, or after a while."""
    end = time.monotonic() + SETTLE_TIMEOUT_S
    while True:
        state, reason = domain.state()
        is_passing = state == libvirt.VIR_DOMAIN_PAUSED and reason in (*STARTING, *MOVING)
        if not is_passing or time.monotonic() > end:
            return state, reason
        request.wait(LOOK_EVERY_S)


def _is_active(domain: "libvirt.virDomain") -> bool:
    try:
        return bool(domain.isActive())
    except libvirt.libvirtError as fault:
        if fault.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return False
        raise


def _remove(domain: "libvirt.virDomain") -> None:
    """End a domain and forget its definition."""
    if _is_active(domain):
        _tolerant(domain.destroy)
    try:
        if domain.isPersistent():
            domain.undefineFlags(_LEFTOVERS)
    except libvirt.libvirtError as fault:
        if fault.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise


def _tolerant(act: Callable[[], object]) -> None:
    """Do something to a domain that may be off or gone by now."""
    try:
        act()
    except libvirt.libvirtError as fault:
        if fault.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):
            raise


def _create(opened: "libvirt.virConnect", xml: str, request: Request) -> None:
    """Create the domain; without CPU shares on a host that cannot weigh domains."""
    try:
        opened.createXML(xml, 0)
    except libvirt.libvirtError as fault:
        if "CPU tuning is not available" not in (fault.get_error_message() or ""):
            raise
        request.log("this host cannot weigh domains (no cgroup controller): it runs without its CPU shares", "W")
        begin, end = xml.index("<cputune>"), xml.index("</cputune>") + len("</cputune>")
        opened.createXML(xml[:begin] + xml[end:], 0)


def _leave_for_people(request: Request, path: str, xml: str) -> None:
    """Write the deployment file beside the disks; nothing reads it but people, and it may hold a password."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as out:
            out.write(xml)
    except OSError as fault:
        request.log(f"{path}: not written: {fault.strerror}", "D")


def _is_saved(path: str) -> bool:
    try:
        with Path(path).open("rb") as checkpoint:
            return checkpoint.read(32).startswith(SAVED)
    except OSError:
        return False

"""The verbs of the virtual machine driver, each safe to repeat.

A domain is transient: made by DEPLOY with everything about it, gone when it is off.  It is told from
foreign domains of its name by its UUID.  Source: reference/drivers.md §6.1, §6.2.
"""

import os
import threading
import time

import libvirt

from trifid.drivers.kit import Failure, Request, Verb
from trifid.drivers.libvirt.checkpoint import forget, is_saved
from trifid.drivers.libvirt.connector import Connector
from trifid.drivers.libvirt.desk import Desk
from trifid.drivers.libvirt.figures import Sampler
from trifid.drivers.libvirt.images import check_images
from trifid.drivers.libvirt.present import (
    LOOK_EVERY_S,
    is_active,
    is_between,
    lookup,
    own,
    refuse_foreign,
    remove,
    resume,
    running,
    runs_or_is_removed,
    settled,
    start_again,
    tolerant,
)
from trifid.drivers.libvirt.raw import wants_validation
from trifid.drivers.libvirt.states import LETTERS, MOVING, PASSING, STARTING
from trifid.drivers.libvirt.vm import VmDocument

BUTTON_EVERY_S = 10.0
"""A guest that is still booting does not see the power button: it is pressed again."""


class Domains:
    """Starts, ends and saves domains."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._options = desk.options
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
        }

    def deploy(self, request: Request) -> str:
        """Make the domain run; it runs already: good."""
        data, vm, connection = self._desk.about(request)
        with connection.open() as opened:
            if vm.is_imported:
                start_again(opened, vm, request, data.host)
                return vm.domain_name
            if (found := lookup(opened, vm.domain_name)) is not None:
                refuse_foreign(found, vm, data.host)
                if runs_or_is_removed(found, request):
                    connection.connector.settle(self._desk.stay(request), has_ended=False)
                    return vm.domain_name
            hypervisor = connection.hypervisor()
            if hypervisor.type == "qemu" and self._options.type == "auto":
                request.log(f"no KVM on {data.host}: it is emulated, which is slow")
            xml = connection.connector.domain_xml(vm, data.disk_target_path, hypervisor)
            for hint in connection.connector.hints(vm):
                request.log(hint, "W")
            if connection.is_local:
                _leave_for_people(request, data.remote_deployment_file, xml)
                for hint in check_images(xml):
                    request.log(hint, "W")
            try:
                flags = libvirt.VIR_DOMAIN_START_VALIDATE if wants_validation(vm) else 0
                with connection.connector.starting(self._desk.stay(request)):
                    _create(opened, xml, flags, request)
            except libvirt.libvirtError:
                # a request of a driver that was killed may have been quicker
                left = lookup(opened, vm.domain_name)
                if left is None or not runs_or_is_removed(left, request):
                    raise
        return vm.domain_name

    def shutdown(self, request: Request) -> str:
        """Press the power button until the domain is off; it is off already: good.

        A paused guest cannot hear it, so it is resumed.
        """
        data, vm, connection = self._desk.about(request)
        gone = threading.Event()

        def heard(name: str, event: int, _: int) -> None:
            if name == vm.domain_name and event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
                gone.set()

        begun = time.monotonic()
        pressed = -BUTTON_EVERY_S
        with connection.open() as opened, connection.listening(heard):
            while (domain := own(opened, vm, request)) is not None:
                if not is_active(domain) and not is_between(domain):
                    remove(domain, request, vm)
                    break
                waited = time.monotonic() - begun
                if waited >= self._options.shutdown_timeout_s:
                    raise Failure(
                        f"{vm.domain_name} on {data.host} was not off {self._options.shutdown_timeout_s:g} s after the "
                        f"power button: {connection.connector.deaf}; end it hard, or shut it down from inside"
                    )
                if waited - pressed >= BUTTON_EVERY_S and is_active(domain):
                    _press(domain, connection.connector, vm, request)
                    pressed = waited
                gone.wait(LOOK_EVERY_S)
                gone.clear()
                request.wait(0)
        connection.connector.settle(self._desk.stay(request), has_ended=True)
        return ""

    def cancel(self, request: Request) -> str:
        """End the domain at once; it is gone already: good."""
        _, vm, connection = self._desk.about(request)
        with connection.open() as opened:
            if (domain := own(opened, vm, request)) is not None:
                remove(domain, request, vm)
        connection.connector.settle(self._desk.stay(request), has_ended=True)
        return ""

    def reboot(self, request: Request) -> str:
        """Ask the guest to reboot."""
        data, vm, connection = self._desk.about(request)
        with connection.open() as opened:
            running(opened, vm, request, data.host).reboot(connection.connector.reboot_flags)
        return ""

    def reset(self, request: Request) -> str:
        """Press the reset button."""
        data, vm, connection = self._desk.about(request)
        with connection.open() as opened:
            running(opened, vm, request, data.host).reset(0)
        return ""

    def poll(self, request: Request) -> str:
        """Return state and figures as the words of reference/drivers.md §6.2."""
        data, vm, connection = self._desk.about(request)
        with connection.open() as opened:
            domain = own(opened, vm, request)
            if domain is None:
                return "STATE=d"
            state, reason = settled(domain, request)
            if state == libvirt.VIR_DOMAIN_PAUSED and reason in (*MOVING, *STARTING):
                raise Failure(f"{vm.domain_name} is half-way on its move to or from {data.host}")
            letter = LETTERS.get(state, "d")
            if letter == "d":
                return "STATE=d"
            [(_, stats)] = connection.connector.statistics(opened, [domain]) or [(domain, {})]
        found = self._sampler.figures(domain.UUIDString(), stats, time.monotonic())
        return (
            f"STATE={letter} USEDCPU={found.get('CPU', '0')} USEDMEMORY={found.get('MEMORY', '0')} "
            f"NETRX={found['NETRX']} NETTX={found['NETTX']}"
        )

    def save(self, request: Request) -> str:
        """Write the domain's memory to the checkpoint and end it; that has happened already: good."""
        data, vm, connection = self._desk.about(request)
        with connection.open() as opened:
            domain = own(opened, vm, request)
            if domain is None or not is_active(domain):
                machine, magics = self._desk.machine(data.host, data.checkpoint_file), connection.connector.checkpoints
                if is_saved(machine, data.checkpoint_file, magics):
                    return ""
                raise Failure(f"{vm.domain_name} does not run on {data.host}, so it cannot be saved")
            domain.save(data.checkpoint_file)
        return ""

    def restore(self, request: Request) -> str:
        """Make the domain run from its checkpoint, which is used up; it runs already: good."""
        data, vm, connection = self._desk.about(request)
        with connection.open() as opened:
            if (found := lookup(opened, vm.domain_name)) is not None:
                refuse_foreign(found, vm, data.host)
            if found is None or not runs_or_is_removed(found, request):
                opened.restoreFlags(data.checkpoint_file, None, connection.connector.restore_flags)
        forget(self._desk.machine(data.host, data.checkpoint_file), data.checkpoint_file, request)
        return vm.domain_name


def _press(domain: "libvirt.virDomain", connector: Connector, vm: VmDocument, request: Request) -> None:
    """Press the power button of a domain that may be off by now."""

    def press() -> None:
        _wake(domain, request)
        if connector.press is not None:
            connector.press(domain, vm)
        else:
            domain.shutdownFlags(connector.shutdown_flags)

    tolerant(press)


def _wake(domain: "libvirt.virDomain", request: Request) -> None:
    """Resume a domain that is paused, unless libvirt paused it for a moment and will resume it itself."""
    state, reason = domain.state()
    if state == libvirt.VIR_DOMAIN_PAUSED and reason not in PASSING:
        resume(domain, request)


def _create(opened: "libvirt.virConnect", xml: str, flags: int, request: Request) -> None:
    """Create the domain; without CPU shares on a host that cannot weigh domains."""
    try:
        opened.createXML(xml, flags)
    except libvirt.libvirtError as fault:
        if "CPU tuning is not available" not in (fault.get_error_message() or ""):
            raise
        request.log("this host cannot weigh domains (no cgroup controller): it runs without its CPU shares", "W")
        begin, end = xml.index("<shares>"), xml.index("</shares>") + len("</shares>")
        opened.createXML(xml[:begin] + xml[end:], flags)


def _leave_for_people(request: Request, path: str, xml: str) -> None:
    """Write the deployment file beside the disks; nothing reads it but people, and it may hold a password."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as out:
            out.write(xml)
    except OSError as fault:
        request.log(f"{path}: not written: {fault.strerror}", "D")

"""A copy of one disk of a running domain, as it is at one point in time, left beside it for the transfer driver.

`disk.N.copy` is in one piece, of the disk's format, and complete: until it is, its name is `disk.N.copy.part`.  QEMU
writes it while the guest goes on: before the guest overwrites a block, QEMU has copied it.  Where that is not to be
had the domain stands still meanwhile.  Source: libvirt's virDomainBackupBegin (push mode), reference/drivers.md §4.3.
"""

import contextlib
from collections.abc import Callable, Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import libvirt

from trifid.drivers.kit import Failure, Request, Verb
from trifid.drivers.libvirt.desk import Desk
from trifid.drivers.libvirt.disks import image_path
from trifid.drivers.libvirt.hotplug import disk_of
from trifid.drivers.libvirt.mapping import child
from trifid.drivers.libvirt.present import LOOK_EVERY_S, running, tolerant
from trifid.drivers.remote.host import Host

_NOT_OFFERED = (
    libvirt.VIR_ERR_NO_SUPPORT,
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
    libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
)
_MARK_SUFFIX = ".paused"


class Copies:
    """Copies the disk with SAVEAS=YES."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def verbs(self) -> dict[str, Verb]:
        """Return what is done for each word on the wire."""
        return {"COPYDISK": self.copy}

    def copy(self, request: Request) -> str:
        """Leave `disk.N.copy`, as the disk is now; what an earlier attempt left is ended and removed."""
        data, vm, connection = self._desk.about(request)
        vector = vm.template.marked("DISK", "SAVEAS", "YES")
        path = image_path(vector, data.disk_target_path)
        target, part = f"{path}.copy", f"{path}.copy.part"
        with connection.open() as opened:
            domain = running(opened, vm, request, data.host)
            xml = domain.XMLDesc()
            disk = disk_of(xml, path)
            if disk is None:
                raise Failure(f"{vm.domain_name} has no disk {path}")
            machine = self._desk.machine(data.host, path)
            _end_leftover(domain, part, request)
            machine.run("rm", "-f", "--", part, target)
            try:
                if not _written_by_qemu(domain, backup_xml(xml, path, part), request):
                    request.log(f"libvirt on {data.host} makes no copies of disks in use: {vm.domain_name} pauses", "W")
                    with _standing_still(domain, machine, target + _MARK_SUFFIX):
                        _convert(machine, _format(disk), path, part, request)
                machine.run("mv", "-f", "--", part, target)
            except BaseException:
                with contextlib.suppress(Failure):  # the first fault is the one to tell
                    machine.run("rm", "-f", "--", part)
                raise
        return ""


def backup_xml(domain_xml: str, path: str, target: str) -> str:
    """Return what libvirt is asked for: one disk of a domain, whole, into a new file of the disk's format."""
    element = Element("domainbackup", mode="push")
    disks = child(element, "disks")
    for disk in ElementTree.fromstring(domain_xml).iterfind("devices/disk"):  # noqa: S314 (libvirt's own)
        device, source = disk.find("target"), disk.find("source")
        name = "" if device is None else device.get("dev", "")
        if source is None or path not in (source.get("file"), source.get("dev")):
            child(disks, "disk", name=name, backup="no")
            continue
        wanted = child(disks, "disk", name=name, backup="yes", type="file")
        child(wanted, "target", file=target)
        child(wanted, "driver", type=_format(disk))
    return ElementTree.tostring(element, encoding="unicode")


def _format(disk: Element) -> str:
    driver = disk.find("driver")
    return "raw" if driver is None else driver.get("type", "raw")


# -- while the guest goes on ---------------------------------------------------------------------------


def _written_by_qemu(domain: "libvirt.virDomain", wanted: str, request: Request) -> bool:
    """Have QEMU write a copy, and tell whether it could be asked for at all.

    Raises:
        Failure: it came to nothing, in libvirt's words; or the request was cancelled.
    """
    try:
        domain.backupBegin(wanted, None)
    except libvirt.libvirtError as fault:
        if fault.get_error_code() in _NOT_OFFERED:
            return False
        raise
    try:
        _until_idle(domain, request.wait)
    except BaseException:
        tolerant(domain.abortJob)
        raise
    done = domain.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    if done.get("type") != libvirt.VIR_DOMAIN_JOB_COMPLETED:
        raise Failure(f"QEMU has not written the copy: {done.get('errmsg') or 'somebody has stopped it'}")
    return True


def _end_leftover(domain: "libvirt.virDomain", target: str, request: Request) -> None:
    """End the copy that a driver began which was killed since.

    Raises:
        Failure: somebody else makes a backup of this domain.
    """
    try:
        text = domain.backupGetXMLDesc()
    except libvirt.libvirtError as fault:
        if fault.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN_BACKUP, *_NOT_OFFERED):
            return
        raise
    found = ElementTree.fromstring(text).iterfind("disks/disk/target")  # noqa: S314 (libvirt's own)
    if target not in [one.get("file") for one in found]:
        raise Failure(f"{domain.name()} is being backed up by somebody else: try again when that has ended")
    tolerant(domain.abortJob)
    _until_idle(domain, request.wait)


def _until_idle(domain: "libvirt.virDomain", wait: Callable[[float], None]) -> None:
    while domain.jobStats().get("type", libvirt.VIR_DOMAIN_JOB_NONE) != libvirt.VIR_DOMAIN_JOB_NONE:
        wait(LOOK_EVERY_S)


# -- while the guest stands still ----------------------------------------------------------------------


@contextlib.contextmanager
def _standing_still(domain: "libvirt.virDomain", machine: Host, mark: str) -> Iterator[None]:
    """Pause a domain for a block.  One that somebody else had paused stays so; a mark tells, after a kill, who did."""
    is_paused = domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
    if is_paused and machine.outcome("test", "-e", mark).status:
        yield
        return
    machine.run("touch", "--", mark)
    try:
        if not is_paused:
            domain.suspend()
        yield
    finally:
        tolerant(domain.resume)
        machine.run("rm", "-f", "--", mark)


def _convert(machine: Host, image_format: str, path: str, target: str, request: Request) -> None:
    def stop() -> None:
        if request.is_cancelled:
            raise Failure("cancelled by the engine")

    argv = ("qemu-img", "convert", "-q", "-U", "-f", image_format, "-O", image_format, path, target)
    machine.run(*argv, stop=stop)

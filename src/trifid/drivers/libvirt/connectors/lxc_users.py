"""Which users of its host the users of a container are.

Each VM has a range of its own, so that a process that broke out of one container is still a stranger to
all others.  The owners of files on disks are not changed: they are mapped while they are mounted.
"""

from xml.etree.ElementTree import Element

from trifid.drivers.libvirt.mapping import Mapping, Property, child
from trifid.drivers.libvirt.vm import VmDocument

FIRST, COUNT, RANGES = 1_000_000, 65_536, 30_000
"""Ranges of COUNT users begin here; above those that Debian and others give to people (/etc/subuid)."""

USERS = Mapping(
    "",
    "domain",
    (
        Property("idmap/uid/@target", "first", note=f"{FIRST} + {COUNT} × the VM's id"),
        Property("idmap/gid/@target", "first"),
        Property(".", "LXC_UNPRIVILEGED", note="NO: root of the container is root of the host; administrators only"),
    ),
)


def first_user(vm: VmDocument) -> int:
    """Return which user of the host a container's root is: 0 only when an administrator wants it so."""
    if vm.template.single("LXC_UNPRIVILEGED").upper() == "NO":
        return 0
    return FIRST + COUNT * (vm.id % RANGES)


def put_users(domain: Element, vm: VmDocument) -> None:
    """Add the map of users and groups, if the container is to have one."""
    if first := first_user(vm):
        idmap = child(domain, "idmap")
        for kind in ("uid", "gid"):
            child(idmap, kind, start="0", target=str(first), count=str(COUNT))

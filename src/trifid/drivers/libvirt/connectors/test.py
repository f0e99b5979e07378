"""The hypervisor inside libvirt that only pretends: the drivers' own contract is tried with it.

It takes the domains of KVM, remembers them, and runs nothing.  Source: libvirt's drvtest.
"""

from msgspec.structs import replace

from trifid.drivers.libvirt.connector import Hypervisor, Place
from trifid.drivers.libvirt.connectors import kvm

_SHARES_PER_CORE = 1024


def hypervisor(place: Place) -> Hypervisor:
    """Return what pretended domains are made for."""
    return Hypervisor("test", _SHARES_PER_CORE)


_REASON = "libvirt's test hypervisor "

CONNECTOR = replace(
    kvm.CONNECTOR,
    name="test",
    title="The test hypervisor",
    types=("TEST",),
    uri="test:///default",
    user_uri="test:///default",
    hypervisor=hypervisor,
    checkpoints=(b"TestGuestMagic",),
    restore_flags=0,  # it takes none
    cannot={
        **dict.fromkeys(
            ("ATTACHDISK", "DETACHDISK", "ATTACHNIC", "DETACHNIC"), f"{_REASON}has no devices that come or go"
        ),
        "RESIZEDISK": f"{_REASON}has no disks that grow",
        "MIGRATE": f"{_REASON}is in one process and moves nothing",
        "MIGRATECOPY": f"{_REASON}is in one process and moves nothing",
        "DISKSNAPSHOTCREATE": f"{_REASON}has no disks to make snapshots of",
        "DISKSNAPSHOTDELETE": f"{_REASON}has no disks to make snapshots of",
    },
)

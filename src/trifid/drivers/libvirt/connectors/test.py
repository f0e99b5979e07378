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
    # libvirt itself says what else it cannot, once the request was checked
    cannot=dict.fromkeys(("MIGRATE", "MIGRATECOPY"), "libvirt's test hypervisor is in one process and moves nothing"),
)

"""QEMU without KVM: as KVM, and always emulated."""

from msgspec.structs import replace

from trifid.drivers.libvirt.connector import Hypervisor, Place
from trifid.drivers.libvirt.connectors import kvm


def hypervisor(place: Place) -> Hypervisor:
    """Return what emulated domains are made for."""
    return kvm.hypervisor(replace(place, type="qemu"))


CONNECTOR = replace(kvm.CONNECTOR, name="qemu", title="QEMU without KVM", hypervisor=hypervisor)

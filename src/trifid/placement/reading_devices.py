"""The PCI devices that VMs wish and hosts have free, out of the documents that the API answers."""

from typing import Any

from msgspec.structs import replace

from trifid.core.pci import Device, devices_of, wish_of
from trifid.core.template.model import Template
from trifid.placement.fields import branch, integer, vectors


def wishes(body: dict[str, Any], user: dict[str, Any]) -> tuple[Device, ...]:
    """Return what the PCI of a VM's TEMPLATE wish; the short document has them in USER_TEMPLATE."""
    return tuple(_wish(vector) for vector in vectors(body, "PCI") or vectors(user, "PCI"))


def _wish(vector: dict[str, str]) -> Device:
    """Return what a PCI wishes of its next host; the address that one has where it is says nothing of that.

    One that fixes its device has no other wish to go by.
    """
    wish = wish_of(vector)
    has_device = "DOMAIN" in vector and (wish.vendor or wish.device or wish.class_)
    return replace(wish, address="") if has_device else wish


def free_devices(share: dict[str, Any]) -> tuple[Device, ...]:
    """Return the PCI devices of a HOST_SHARE that no VM has, in the order of their addresses."""
    told = vectors(branch(share, ("PCI_DEVICES",)), "PCI")
    free = (("PCI", vector) for vector in told if integer(vector.get("VMID"), -1) < 0)
    return tuple(devices_of(Template(tuple(free))).values())

"""NIC of a template as an interface of a domain.  Source: reference/drivers.md §7.2, §7.4."""

from xml.etree.ElementTree import Element

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.mapping import Mapping, Property, lower
from trifid.drivers.libvirt.vm import Vector

CABLE = (
    Property("@type", "type", note="bridge with a BRIDGE, else ethernet"),
    Property("source/@bridge", "BRIDGE"),
    Property("virtualport/@type", "port", note="openvswitch for BRIDGE_TYPE or VN_MAD of Open vSwitch"),
    Property("vlan/tag/@id", "VLAN_ID", note="on Open vSwitch; other bridges are tagged outside"),
    Property("mac/@address", "MAC", convert=lower),
    Property("target/@dev", "TARGET"),
)
"""How a NIC is plugged into its host."""

LIMITS = (
    Property("filterref/@filter", "FILTER"),
    Property("bandwidth/inbound/@average", "INBOUND_AVG_BW", note="KiB/s"),
    Property("bandwidth/inbound/@peak", "INBOUND_PEAK_BW", note="KiB/s"),
    Property("bandwidth/inbound/@burst", "INBOUND_PEAK_KB", note="KiB"),
    Property("bandwidth/outbound/@average", "OUTBOUND_AVG_BW", note="KiB/s"),
    Property("bandwidth/outbound/@peak", "OUTBOUND_PEAK_BW", note="KiB/s"),
    Property("bandwidth/outbound/@burst", "OUTBOUND_PEAK_KB", note="KiB"),
)
"""What may go over it."""

SWITCH = (
    Property(".", "BRIDGE_TYPE", note="openvswitch adds the virtual port"),
    Property(".", "VN_MAD", note="ovswitch and ovswitch_vxlan do, too"),
)

INTERFACE = Mapping(
    "NIC",
    "interface",
    (
        *CABLE,
        Property("script/@path", "SCRIPT"),
        Property("model/@type", "MODEL", default="virtio"),
        *LIMITS,
        Property("boot/@order", "order", note="from OS/BOOT=nic0,…"),
        *SWITCH,
    ),
)


def interface(nic: Vector, order: str) -> Element:
    """Return the interface of a NIC; `order` in which it is tried at boot, empty = not.

    Raises:
        Failure: a peak without an average.
    """
    return INTERFACE.element({**plugged(nic), "order": order})


def plugged(nic: Vector) -> Vector:
    """Return a NIC with what CABLE and LIMITS read of it.

    Raises:
        Failure: a peak without an average.
    """
    for way in ("INBOUND", "OUTBOUND"):
        if not nic.get(f"{way}_AVG_BW") and (nic.get(f"{way}_PEAK_BW") or nic.get(f"{way}_PEAK_KB")):
            raise Failure(
                f"NIC {nic.get('NIC_ID', '')}: {way}_PEAK_BW and {way}_PEAK_KB need an {way}_AVG_BW beside them"
            )
    is_ovs = is_on_open_vswitch(nic)
    return {
        **nic,
        "type": "bridge" if nic.get("BRIDGE") else "ethernet",
        "port": "openvswitch" if is_ovs else "",
        "VLAN_ID": nic.get("VLAN_ID", "") if is_ovs else "",
    }


def is_on_open_vswitch(nic: Vector) -> bool:
    """Tell whether the bridge of a NIC is one of Open vSwitch."""
    return nic.get("BRIDGE_TYPE", "").lower() == "openvswitch" or nic.get("VN_MAD", "").startswith("ovswitch")

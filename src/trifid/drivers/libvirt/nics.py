"""NIC of a template as an interface of a domain.  Source: reference/drivers.md §7.2, §7.4."""

from xml.etree.ElementTree import Element

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.mapping import Mapping, Property, lower
from trifid.drivers.libvirt.vm import Vector

INTERFACE = Mapping(
    "NIC",
    "interface",
    (
        Property("@type", "type", note="bridge with a BRIDGE, else ethernet"),
        Property("source/@bridge", "BRIDGE"),
        Property("virtualport/@type", "port", note="openvswitch for BRIDGE_TYPE or VN_MAD of Open vSwitch"),
        Property("vlan/tag/@id", "VLAN_ID", note="on Open vSwitch; other bridges are tagged outside"),
        Property("mac/@address", "MAC", convert=lower),
        Property("target/@dev", "TARGET"),
        Property("script/@path", "SCRIPT"),
        Property("model/@type", "MODEL", default="virtio"),
        Property("filterref/@filter", "FILTER"),
        Property("bandwidth/inbound/@average", "INBOUND_AVG_BW", note="KiB/s"),
        Property("bandwidth/inbound/@peak", "INBOUND_PEAK_BW", note="KiB/s"),
        Property("bandwidth/inbound/@burst", "INBOUND_PEAK_KB", note="KiB"),
        Property("bandwidth/outbound/@average", "OUTBOUND_AVG_BW", note="KiB/s"),
        Property("bandwidth/outbound/@peak", "OUTBOUND_PEAK_BW", note="KiB/s"),
        Property("bandwidth/outbound/@burst", "OUTBOUND_PEAK_KB", note="KiB"),
        Property("boot/@order", "order", note="from OS/BOOT=nic0,…"),
        Property(".", "BRIDGE_TYPE", note="openvswitch adds the virtual port"),
        Property(".", "VN_MAD", note="ovswitch and ovswitch_vxlan do, too"),
    ),
)


def interface(nic: Vector, order: str) -> Element:
    """Return the interface of a NIC; `order` in which it is tried at boot, empty = not.

    Raises:
        Failure: a peak without an average.
    """
    for way in ("INBOUND", "OUTBOUND"):
        if not nic.get(f"{way}_AVG_BW") and (nic.get(f"{way}_PEAK_BW") or nic.get(f"{way}_PEAK_KB")):
            raise Failure(
                f"NIC {nic.get('NIC_ID', '')}: {way}_PEAK_BW and {way}_PEAK_KB need an {way}_AVG_BW beside them"
            )
    is_ovs = nic.get("BRIDGE_TYPE", "").lower() == "openvswitch" or nic.get("VN_MAD", "").startswith("ovswitch")
    return INTERFACE.element(
        {
            **nic,
            "type": "bridge" if nic.get("BRIDGE") else "ethernet",
            "port": "openvswitch" if is_ovs else "",
            "VLAN_ID": nic.get("VLAN_ID", "") if is_ovs else "",
            "order": order,
        }
    )

"""The payload of a fence driver's requests: base64 of one XML document.

<FENCE_DRIVER_ACTION_DATA>
  <HOST_ID>3</HOST_ID> <HOST>node3</HOST>
  <FENCE> <METHOD>ipmi</METHOD> <ADDRESS>10.0.0.3</ADDRESS> … </FENCE> …
  <DATASTORE>/srv/one/datastores/0</DATASTORE> … <BEAT_S>5</BEAT_S> <LEASE_S>30</LEASE_S>
</FENCE_DRIVER_ACTION_DATA>
"""

import base64
import binascii
from xml.etree import ElementTree

import msgspec

from trifid.errors import DriverFault
from trifid.wire.xmltext import escape, is_element_name, writable

ROOT = "FENCE_DRIVER_ACTION_DATA"
METHODS_MAX = 8
ATTRIBUTES_MAX = 32


class FenceActionData(msgspec.Struct, frozen=True):
    """What a fence driver is told.

    Attributes:
        methods: the host's FENCE vectors, to be tried in this order.
        datastores: directories that hosts share, in which the host keeps its heartbeat.
        beat_s: how often it renews that.
        lease_s: after so long without renewal it ends its VMs; 0 = it does not.
    """

    host_id: int
    host: str
    methods: tuple[dict[str, str], ...] = ()
    datastores: tuple[str, ...] = ()
    beat_s: int = 0
    lease_s: int = 0


def render(data: FenceActionData) -> str:
    """Return the payload."""
    methods = "".join(f"<FENCE>{''.join(map(_element, method.items()))}</FENCE>" for method in data.methods)
    places = "".join(_element(("DATASTORE", place)) for place in data.datastores)
    plain = {"HOST_ID": str(data.host_id), "HOST": data.host, "BEAT_S": str(data.beat_s), "LEASE_S": str(data.lease_s)}
    document = f"<{ROOT}>{''.join(map(_element, plain.items()))}{methods}{places}</{ROOT}>"
    return base64.b64encode(document.encode("utf-8", errors="replace")).decode()


def _element(pair: tuple[str, str]) -> str:
    name, text = pair
    return f"<{name}>{escape(writable(text))}</{name}>" if is_element_name(name) else ""


def parse(payload: str) -> FenceActionData:
    """Return what a payload says.

    Raises:
        DriverFault: not base64, not XML, not such a request, a number in it is none, or there is too much of it.
    """
    try:
        document = base64.b64decode(payload, validate=True)
        root = ElementTree.fromstring(document)  # noqa: S314  (of our own engine; expat knows no external entities)
    except (binascii.Error, ValueError, ElementTree.ParseError) as fault:
        raise DriverFault(f"the request is not base64 of XML: {fault}") from None
    if root.tag != ROOT:
        raise DriverFault(f"the request must be {ROOT}, is {root.tag[:40]}")
    methods = tuple({child.tag: (child.text or "").strip() for child in method} for method in root.findall("FENCE"))
    if len(methods) > METHODS_MAX or any(len(method) > ATTRIBUTES_MAX for method in methods):
        raise DriverFault(f"a host has {METHODS_MAX} FENCE of {ATTRIBUTES_MAX} attributes each at most")
    plain = {name: root.findtext(name.upper()) or "" for name in ("host_id", "host", "beat_s", "lease_s")}
    values = plain | {"methods": methods, "datastores": tuple(one.text or "" for one in root.findall("DATASTORE"))}
    try:
        return msgspec.convert(values, FenceActionData, strict=False)
    except msgspec.ValidationError as fault:
        raise DriverFault(f"the request cannot be read: {fault}") from None

"""The payload of a network driver's request APPLY: base64 of a HostDocument as JSON."""

import base64
import binascii

import msgspec

from trifid.core.network.host_document import HostDocument
from trifid.errors import DriverFault

_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(HostDocument).decode


def render(document: HostDocument) -> str:
    """Return the payload; the same document gives the same text."""
    return base64.b64encode(_encode(document)).decode()


def parse(payload: str) -> HostDocument:
    """Return the document of a payload.

    Raises:
        DriverFault: it is none.
    """
    try:
        return _decode(base64.b64decode(payload, validate=True))
    except (binascii.Error, ValueError) as fault:
        raise DriverFault(f"the document of a host's networks cannot be read: {fault}") from None

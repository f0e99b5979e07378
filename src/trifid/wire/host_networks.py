"""The payloads of a network driver's APPLY: base64 of a HostDocument as JSON, and of what could not be made.

engine to driver   APPLY  3 DOCUMENT
driver to engine   APPLY SUCCESS 3 VERSION              all of it is made
                   APPLY SUCCESS 3 VERSION TROUBLES     all but some networks: {"7": "why"}; the filters hold
                   APPLY FAILURE 3 why                  nothing can be said of any network
"""

import base64
import binascii
from collections.abc import Mapping

import msgspec

from trifid.core.network.host_document import HostDocument
from trifid.errors import DriverFault

_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(HostDocument).decode
_decode_troubles = msgspec.json.Decoder(dict[int, str]).decode


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


def render_answer(version: int, troubles: Mapping[int, str]) -> str:
    """Return the payload of an answer.

    Args:
        troubles: id of a network that could not be made -> why.
    """
    if not troubles:
        return str(version)
    said = _encode({str(network_id): why for network_id, why in troubles.items()})
    return f"{version} {base64.b64encode(said).decode()}"


def parse_answer(payload: str) -> tuple[str, dict[int, str]]:
    """Return the version that was applied, empty when it is not said, and the troubles of networks.

    Raises:
        DriverFault: the troubles cannot be read.
    """
    version, _, packed = payload.partition(" ")
    if not packed:
        return version, {}
    try:
        return version, _decode_troubles(base64.b64decode(packed, validate=True))
    except (binascii.Error, ValueError) as fault:
        raise DriverFault(f"what is said of networks that could not be made cannot be read: {fault}") from None

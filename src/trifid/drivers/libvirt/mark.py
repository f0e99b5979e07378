"""The mark that a domain carries in its metadata: which engine's it is.

Engines that share a libvirt give the same ids to their VMs, so the name of a domain proves nothing.
"""

from xml.etree import ElementTree

import libvirt

METADATA_NAMESPACE = "http://opennebula.org/xmlns/libvirt/1.0"
ENGINE = "engine"

_GONE = (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_NO_DOMAIN_METADATA)


def engine_of(domain: "libvirt.virDomain") -> str:
    """Return the id of the engine that made a domain, empty when it does not say or is gone."""
    try:
        text = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, METADATA_NAMESPACE)
    except libvirt.libvirtError as fault:
        if fault.get_error_code() in _GONE:
            return ""
        raise
    try:
        return ElementTree.fromstring(text).findtext(ENGINE, "").strip()  # noqa: S314 (libvirt's own)
    except ElementTree.ParseError:
        return ""  # a foreign domain may use the namespace in its own way


class Owners:
    """Whose domains are, remembered: asking costs a round trip for each, and the answer does not change."""

    def __init__(self) -> None:
        self._engines: dict[str, str] = {}

    def of(self, domain: "libvirt.virDomain") -> str:
        """Return the id of the engine that made a domain, empty when it does not say."""
        uuid = domain.UUIDString()
        if known := self._engines.get(uuid):
            return known
        # one that does not say may be just going, and come back marked: that is not remembered
        if engine := engine_of(domain):
            self._engines[uuid] = engine
        return engine

    def forget_others(self, uuids: set[str]) -> None:
        """Forget all domains but these."""
        self._engines = {uuid: engine for uuid, engine in self._engines.items() if uuid in uuids}

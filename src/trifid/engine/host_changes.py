"""Which hosts' documents are others than somebody has read: thousands of hosts cost little when few have changed."""

import re
import secrets
from collections.abc import Mapping

from trifid.core.host import Host
from trifid.engine.documents import Documents
from trifid.wire.xmlrpc import Escaped
from trifid.wire.xmltext import escape

_NUMBER = re.compile("[0-9]{1,18}", re.ASCII)


class HostChanges:
    """Numbers the documents of hosts as they change; a number means something in one life of the engine only."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._life = secrets.token_hex(8)
        self._newest = 0
        self._known: dict[int, tuple[str, int]] = {}  # by host: its document, escaped, and the number of that

    def since(self, hosts: Mapping[int, Host], read: str) -> Escaped:
        """Return a HOST_CHANGES document: READ, to be given the next time, the IDS of all hosts, and those changed.

        Args:
            read: what READ was in the answer that is known; with any other text everything has changed.
        """
        life, _, digits = read.partition(".")
        known_number = int(digits) if life == self._life and _NUMBER.fullmatch(digits) else -1
        for host_id in self._known.keys() - hosts.keys():
            del self._known[host_id]
        for host_id, host in hosts.items():
            (text,) = self._documents.host(host).chunks
            known = self._known.get(host_id)
            if known is None or known[0] != text:
                self._newest += 1
                self._known[host_id] = (text, self._newest)
        changed = [text for text, number in self._known.values() if number > known_number]
        ids = " ".join(map(str, hosts))
        begin = f"<HOST_CHANGES><READ>{self._life}.{self._newest}</READ><IDS>{ids}</IDS>"
        return Escaped([escape(begin), *changed, escape("</HOST_CHANGES>")])

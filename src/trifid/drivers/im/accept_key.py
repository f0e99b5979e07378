"""ACCEPT_KEY, a request to information drivers: which key a host offers, and that it is to be believed.

Source: docs/drivers.md (information drivers).
"""

from trifid.core.template.model import Template
from trifid.core.template.scanner import parse, render
from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.place import is_this_machine
from trifid.drivers.remote.keys import accept, offered
from trifid.drivers.remote.way import Way

LOOK, ACCEPT, REPLACE = "LOOK", "ACCEPT", "REPLACE"


def accept_key(way: Way, text: str) -> str:
    """Return the answer to a request: TYPE and FINGERPRINT of the key, and its STANDING: known, new or changed.

    With MODE=LOOK nothing is accepted, with ACCEPT a new key is, with REPLACE another one than before, too.

    Raises:
        Failure: the host is not reached, or its key must not be accepted.
        BadTemplate: the request cannot be read.
        OSError: the key cannot be written down.
    """
    said = parse(text)
    host, mode, fingerprint = said.vector("HOST").get("NAME", ""), said.single("MODE", LOOK), said.single("FINGERPRINT")
    if mode not in (LOOK, ACCEPT, REPLACE):
        raise Failure(f"MODE of ACCEPT_KEY is {mode}, expected LOOK, ACCEPT or REPLACE")
    if is_this_machine(host):
        raise Failure(f"host {host} is the machine that the engine runs on: it is reached without ssh and has no key")
    key = offered(way, host) if mode == LOOK else accept(way, host, fingerprint, may_replace=mode == REPLACE)
    about = (("TYPE", key.type), ("FINGERPRINT", key.fingerprint), ("STANDING", key.standing.value))
    return render(Template((*about, ("BEFORE", " ".join(key.accepted)))))

"""The ssh keys of hosts, which information drivers know: asked for, and accepted, on somebody's word.

The engine itself never speaks with hosts.
"""

import asyncio
from collections.abc import Callable

import msgspec

from trifid.core.host import Host
from trifid.core.template.model import Template, Value
from trifid.core.template.scanner import parse, render
from trifid.engine.drivers import DriverSet
from trifid.errors import DriverFault, Refused, TrifidError
from trifid.wire.lines import Message, monitor_to_driver, unpack

ACCEPT_KEY = "ACCEPT_KEY"
LIMIT_S = 90.0
"""A host that does not answer is given up by its driver before that."""


class HostKey(msgspec.Struct, frozen=True):
    """The key that a host offers.

    Attributes:
        type: such as ssh-ed25519.
        fingerprint: SHA256:…
        standing: known, new or changed; before it was accepted, if it was.
        before: fingerprints of the keys that were accepted before, with blanks between.
    """

    type: str
    fingerprint: str
    standing: str
    before: str


class HostKeys:
    """Asks information drivers about keys.

    Args:
        drivers: of the engine.
        now: epoch seconds.
    """

    def __init__(self, drivers: DriverSet, now: Callable[[], int]) -> None:
        self._drivers = drivers
        self._now = now
        self._waiting: dict[int, asyncio.Future[HostKey]] = {}

    async def ask(self, host: Host, mode: str, fingerprint: str = "") -> HostKey:
        """Return the key that a host offers; accept it with mode ACCEPT, in the place of another one with REPLACE.

        Args:
            mode: LOOK, ACCEPT or REPLACE.
            fingerprint: that the key must have to be accepted; empty = any.

        Raises:
            Refused: the driver cannot, does not want to, or does not answer; somebody else is asking.
        """
        name = f"host {host.name} [{host.id}]"
        driver = self._drivers.get("im", host.im)
        if driver is None or not driver.is_ready:
            raise Refused(f"the key of {name} cannot be asked for: im driver {host.im} is not up", host.id)
        if host.id in self._waiting:
            raise Refused(f"the key of {name} is being asked for already: try again in a moment", host.id)
        about: tuple[tuple[str, Value], ...] = (
            ("HOST", {"ID": str(host.id), "NAME": host.name}),
            ("MODE", mode),
            ("FINGERPRINT", fingerprint),
        )
        answer = self._waiting[host.id] = asyncio.get_running_loop().create_future()
        driver.send(monitor_to_driver(ACCEPT_KEY, host.id, self._now(), render(Template(about))))
        try:
            return await asyncio.wait_for(answer, LIMIT_S)
        except TimeoutError:
            text = f"im driver {host.im} did not tell the key of {name} within {LIMIT_S:g} s: try again"
            raise Refused(text, host.id) from None
        finally:
            del self._waiting[host.id]

    def answered(self, message: Message) -> None:
        """Take in a driver's answer."""
        answer = self._waiting.get(message.oid)
        if answer is None or answer.done():
            return
        try:
            text = unpack(message.payload) if message.payload not in ("", "-") else ""
            if message.status != "SUCCESS":
                raise Refused(text or "its information driver does not accept keys", message.oid)
            said = parse(text)
        except DriverFault as fault:
            answer.set_exception(Refused(str(fault), message.oid))
        except TrifidError as fault:
            answer.set_exception(fault)
        else:
            words = ("TYPE", "FINGERPRINT", "STANDING", "BEFORE")
            answer.set_result(HostKey(*(said.single(word) for word in words)))

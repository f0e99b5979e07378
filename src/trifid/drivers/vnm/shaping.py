"""How fast a NIC may be: token buckets, as commands, pure but for what looks at the host.

What goes to a guest leaves by its interface, and waits there.  What comes from it arrives there, where nothing can
wait: it is led over an interface of its own (ifb) and waits before it comes in.  So packets are late, not lost,
which TCP likes better than a limit that drops.

A queue's handle says what it was made of, so that one that is as it shall be is left alone.
"""

import hashlib
import zlib
from collections.abc import Iterable, Mapping

import msgspec

from trifid.core.network.host_document import Bandwidth, HostDocument, Port
from trifid.drivers.vnm.present import ALIAS, GROUP, Link
from trifid.drivers.vnm.tools import Json, Tools

KIB = 1024
BURST_LEAST = 10 * KIB
"""A packet that is larger than the bucket would never pass: this is more than a large Ethernet frame."""
BURST_S = 0.05
"""How much passes at once, in seconds of the average, when the NIC does not say."""
WAIT = "200ms"
"""How long a packet waits at most; one that would wait longer is lost.

Guests hand over up to 64 KiB of TCP at once: with less room, slow limits (512 KiB/s) lose so much of it that TCP stays
a fifth and more below them.
"""
HANDLES, HANDLES_MASK = 0x7000, 0xFFF
"""Handles of our queues: 7000 to 7fff."""

Argv = tuple[str, ...]


class Queues(msgspec.Struct, frozen=True):
    """What limits interfaces of a host now.

    Attributes:
        roots: interface -> kind and handle of its queue.
        inlets: interfaces that can lead what arrives elsewhere.
        led: interface -> where what arrives is led, by a filter of ours.
    """

    roots: Mapping[str, tuple[str, str]] = {}
    inlets: frozenset[str] = frozenset()
    led: Mapping[str, str] = {}


def look(tools: Tools, devices: Iterable[str]) -> Queues:
    """Return what limits interfaces now; raises Failure."""
    queues = tools.objects("tc", "-j", "qdisc", "show")
    inlets = frozenset(q["dev"] for q in queues if q["kind"] == "ingress")
    led = {}
    for device in sorted(inlets & set(devices)):
        to = _led_to(tools.objects("tc", "-j", "filter", "show", "dev", device, "parent", "ffff:"))
        if to:
            led[device] = to
    return Queues({q["dev"]: (q["kind"], q["handle"]) for q in queues if q.get("root")}, inlets, led)


def _led_to(filters: list[Json]) -> str:
    for found in filters:
        if found.get("pref") == GROUP:
            for action in found.get("options", {}).get("actions", ()):
                if action.get("kind") == "mirred":
                    return str(action.get("to_dev", ""))
    return ""


def plan(document: HostDocument, present: Mapping[str, Link], queues: Queues) -> list[Argv]:
    """Return the commands that make the limits of the ports that are there what they shall be."""
    commands: list[Argv] = []
    needed: set[str] = set()
    for port in document.ports:
        if port.device not in present:
            continue  # the engine tells it again when the guest runs
        commands += _queue(port.device, port.inbound, queues)
        waits = place(document.engine_id, port.device)
        if is_limited(port.outbound):
            needed.add(waits)
            commands += _from_guest(port, waits, document.engine_id, present.get(waits), queues)
        elif queues.led.get(port.device) == waits:
            commands += [_undone(port.device)]
    ours = (link for link in present.values() if link.kind == "ifb" and link.is_of(document.engine_id))
    return [*commands, *(("ip", "link", "del", "dev", link.name) for link in ours if link.name not in needed)]


def is_limited(way: Bandwidth) -> bool:
    """Tell whether there is a limit."""
    return bool(way.average_kib_s or way.peak_kib_s)


def place(engine_id: str, device: str) -> str:
    """Return the name of the interface on which what comes from a port waits."""
    return "ti" + hashlib.sha256(f"{engine_id} {device}".encode()).hexdigest()[:12]


def networks(document: HostDocument) -> dict[str, int]:
    """Return the network of each interface that limits are put on: a port's, and that on which it waits."""
    found = {port.device: port.network_id for port in document.ports}
    return found | {place(document.engine_id, port.device): port.network_id for port in document.ports}


def bucket(way: Bandwidth) -> Argv:
    """Return a limit as tc's tbf is told it.

    A peak that is not above the average says nothing; one without an average is the average.
    """
    rate = (way.average_kib_s or way.peak_kib_s) * KIB
    peak = way.peak_kib_s * KIB
    burst = max(way.burst_kib * KIB or int(rate * BURST_S), BURST_LEAST)
    words = ("tbf", "rate", f"{rate}bps", "burst", f"{burst}b", "latency", WAIT)
    return (*words, "peakrate", f"{peak}bps", "minburst", f"{BURST_LEAST}b") if peak > rate else words


def _queue(device: str, way: Bandwidth, queues: Queues) -> list[Argv]:
    """Return what makes the queue of an interface."""
    kind, handle = queues.roots.get(device, ("", ""))
    if not is_limited(way):
        is_ours = kind == "tbf" and handle.startswith("7") and len(handle) == len("7000:")
        return [("tc", "qdisc", "del", "dev", device, "root")] if is_ours else []
    words = bucket(way)
    wanted = f"{HANDLES | zlib.crc32(' '.join(words).encode()) & HANDLES_MASK:x}:"
    if (kind, handle) == ("tbf", wanted):
        return []
    return [("tc", "qdisc", "replace", "dev", device, "root", "handle", wanted, *words)]


def _from_guest(port: Port, waits: str, engine_id: str, found: Link | None, queues: Queues) -> list[Argv]:
    """Return what has that from a guest wait: first where it waits, then the way there."""
    commands: list[Argv] = []
    if found is None:
        commands.append(("ip", "link", "add", "name", waits, "group", str(GROUP), "type", "ifb"))
    if found is None or not found.alias:
        commands.append(("ip", "link", "set", "dev", waits, "alias", ALIAS + engine_id, "addrgenmode", "none"))
    commands += _queue(waits, port.outbound, queues)
    if found is None or not found.is_up:
        commands.append(("ip", "link", "set", "dev", waits, "up"))
    if port.device not in queues.inlets:
        commands.append(("tc", "qdisc", "add", "dev", port.device, "handle", "ffff:", "ingress"))
    led = queues.led.get(port.device)
    if led != waits:
        if led is not None:
            commands.append(_undone(port.device))
        head = ("tc", "filter", "add", "dev", port.device, "parent", "ffff:", "protocol", "all", "pref", str(GROUP))
        everything = ("u32", "match", "u32", "0", "0")
        commands.append((*head, *everything, "action", "mirred", "egress", "redirect", "dev", waits))
    return commands


def _undone(device: str) -> Argv:
    return ("tc", "filter", "del", "dev", device, "parent", "ffff:", "pref", str(GROUP))

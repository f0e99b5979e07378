"""A host of the lab: namespaces with files, an sshd, a libvirt and a bridge of their own."""

import uuid
from pathlib import Path

from place import BRIDGE, CLUSTER, Place, address_of
from processes import READY, Failed, Machine, run

CUT, UP, DOWN = "cut off", "up", "down"
IFF_UP = 1
"""netdevice(7)."""
SHARED = ("0", "1")
"""Datastores that all hosts and the front-end share; every other one is each host's own."""


class Host:
    """One host.  All that is done to it is done on the front-end.

    Attributes:
        name: what the engine calls it; on the front-end its cable is called so, too.
        address: its own.
    """

    def __init__(self, place: Place, name: str) -> None:
        self.name, self.address = name, address_of(name)
        self._place = place
        self._own = place.host(name)
        self._cable = Path("/sys/class/net") / name
        self._machine = Machine(name, self._own / "pid", CLUSTER / "host-init", place.log / f"{name}.log")

    @property
    def state(self) -> str:
        """UP, DOWN, or CUT off the network."""
        if not self._machine.pid:
            return DOWN
        flags = self._cable / "flags"
        return UP if flags.exists() and int(flags.read_text(), 16) & IFF_UP else CUT

    def start(self) -> None:
        """Switch it on, unless it is; return when sshd and libvirt answer there."""
        if self._machine.pid:
            return
        self._unplug()
        mounts = [*self._mounts()]
        host_id = uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.name}.{self._place.path}")
        started = self._machine.start(self.name, self.address, BRIDGE, str(host_id), str(self._own), *mounts)
        self._machine.expect(started, "namespaces")
        run("ip", "link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", str(started.pid))
        run("ip", "link", "set", self.name, "master", BRIDGE, "up")
        self._machine.tell(started, "plugged")
        self._machine.expect(started, READY)
        self._machine.leave(started)

    def _mounts(self) -> list[str]:
        """Return what the host shares with the front-end, source and target each."""
        own, datastores = self._own / "datastores", self._place.datastores
        pairs = [(own, datastores), *((datastores / one, datastores / one) for one in SHARED)]
        pairs.append((self._place.guest, self._place.guest))
        for one in SHARED:
            (own / one).mkdir(parents=True, exist_ok=True)
        for source, _ in pairs:
            source.mkdir(parents=True, exist_ok=True)
        return [str(path) for pair in pairs for path in pair]

    def crash(self) -> None:
        """End it and its guests at once; its datastores stay, as on a disk."""
        self._machine.end()
        self._unplug()

    def cut(self) -> None:
        """Pull out its cable; it goes on by itself."""
        run("ip", "link", "set", self.name, "down")

    def mend(self) -> None:
        """Plug the cable in again."""
        run("ip", "link", "set", self.name, "up")

    def argv(self, *argv: str) -> list[str]:
        """Return the command that runs another one on it."""
        return self._machine.argv(*argv)

    def guests(self) -> int:
        """Return how many domains run there."""
        return len(run(*self.argv("virsh", "-q", "-c", "qemu:///system", "list", "--name")).split())

    def _unplug(self) -> None:
        if self._cable.exists():
            try:
                run("ip", "link", "delete", self.name)
            except Failed:  # the kernel takes it away with the host's network, at a time of its own
                if self._cable.exists():
                    raise

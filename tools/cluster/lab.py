"""The lab as a whole: its namespaces, its hosts, its front-end; up and down."""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ssh
from frontend import Frontend
from host import Host
from place import BRIDGE, CLUSTER, FRONTEND, FRONTEND_ADDRESS, ROOT, Place, host_name
from processes import READY, Failed, Machine, run

HOSTS = 3
TOOLS = {
    **dict.fromkeys(("unshare", "nsenter", "ip"), "guest"),
    **dict.fromkeys(("libvirtd", "virsh", "qemu-img", "busybox", "cpio", "mke2fs"), "guest"),
    **dict.fromkeys(("sshd", "ssh", "ssh-keygen"), "lab"),
}
"""What must be installed, and the group of tools/packages that installs it."""


class Lab:
    """A lab in a directory.

    Attributes:
        hosts: by name, those that it was made with.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._machine = Machine("the lab", place.path / "pid", CLUSTER / "lab-init", place.log / "lab.log")

    @property
    def hosts(self) -> dict[str, Host]:
        """The hosts, by name."""
        return {name: Host(self.place, name) for name in self.place.names()}

    @property
    def frontend(self) -> Frontend:
        """The front-end."""
        return Frontend(self.place, str(self.place.facts().get("driver", "qemu")))

    def host(self, name: str) -> Host:
        """Return a host.

        Raises:
            Failed: there is none of that name.
        """
        if name not in self.hosts:
            raise Failed(f"there is no host {name}: the hosts are {', '.join(self.hosts) or 'not made yet'}")
        return self.hosts[name]

    # -- from outside ---------------------------------------------------------------------------

    @property
    def is_there(self) -> bool:
        """Whether its namespaces are."""
        return bool(self._machine.pid) or self.place.is_inside()

    def begin(self) -> None:
        """Make its directory and its namespaces, unless they are there."""
        _check_tools()
        self.place.make()
        if not self.is_there:
            self._end_rest()
            for host in self.hosts.values():  # of namespaces that are gone, after a restart of this machine
                (self.place.host(host.name) / "pid").unlink(missing_ok=True)
            started = self._machine.start(FRONTEND)
            self._machine.expect(started, READY)
            self._machine.leave(started)
            self.place.note(namespace=self._machine.namespace)

    def begin_here(self) -> None:
        """Take the namespaces that this process is in, which somebody made for the purpose, for the lab's."""
        _check_tools()
        self.place.make()
        self.place.note(namespace=str(Path("/proc/self/ns/pid").readlink()), is_here=True)

    def argv(self, *argv: str) -> list[str]:
        """Return the command that runs another one in the lab, on the front-end.

        Raises:
            Failed: the lab is not there.
        """
        if self.place.is_inside():
            return [*argv]
        if not self._machine.pid:
            raise Failed(f"no lab runs from {self.place.path}: make lab, or tools/lab up")
        return self._machine.argv("env", f"--chdir={ROOT}", *argv)

    def end(self) -> None:
        """End everything in it, and remove its directory.

        Raises:
            Failed: this process is in it.
        """
        if self.place.is_inside():
            if not self.place.facts().get("is_here"):
                raise Failed("this is inside the lab: leave it, then say tools/lab down")
            self._take_back()
        self._machine.end()
        self._end_rest()
        if self.place.exists:
            shutil.rmtree(self.place.path)

    def _end_rest(self) -> None:
        facts = self.place.facts()
        if not facts.get("is_here"):
            self._machine.end_rest(str(facts.get("namespace", "")))

    # -- inside ---------------------------------------------------------------------------------

    def up(self, hosts: int, driver: str, tell: Callable[[str], None]) -> None:
        """Have as many hosts, and an engine that has them.

        Raises:
            Failed: a part does not work; those that do are left as they are.
        """
        known = max(hosts, len(self.place.names()))
        self.place.note(hosts=known, driver=driver)
        names = [host_name(number) for number in range(1, known + 1)]
        ssh.write(self.place, names)
        ssh.show(self.place)
        _bridge()
        tell(f"{known} hosts, each with its own files, sshd, libvirt and bridge …")
        self.each(Host.start)
        tell("a guest of a kernel of Debian and busybox …")
        self.frontend.build_guest()
        tell("the engine …")
        self.frontend.start()
        self.frontend.fill(names)

    def each(self, do: Callable[[Host], None]) -> None:
        """Do something to every host, to all at once."""
        hosts = list(self.hosts.values())
        with ThreadPoolExecutor(max(1, len(hosts))) as pool:
            list(pool.map(do, hosts))

    def _take_back(self) -> None:
        """Undo what was made in namespaces that are not the lab's own."""
        self.frontend.stop()
        self.each(Host.crash)
        ssh.hide(self.place)
        if Path(f"/sys/class/net/{BRIDGE}").exists():
            run("ip", "link", "delete", BRIDGE)


def _bridge() -> None:
    if not Path(f"/sys/class/net/{BRIDGE}").exists():
        run("ip", "link", "add", BRIDGE, "address", "02:ff:00:00:00:fe", "type", "bridge")
        run("ip", "addr", "add", f"{FRONTEND_ADDRESS}/24", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")


def _check_tools() -> None:
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    missing = {tool: group for tool, group in TOOLS.items() if not shutil.which(tool)}
    if missing:
        groups = " ".join(sorted(set(missing.values())))
        raise Failed(f"{', '.join(missing)} missing: run tools/packages {groups}")

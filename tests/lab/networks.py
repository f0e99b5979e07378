"""Two hosts whose virtual networks the engine makes, and guests in them.

Every guest has two sides: its first NIC is in the private network of the lab, where nothing is asked of hosts and
its door is; the others are in the networks that are looked at, and can be reached from guests only.
"""

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.lab.catalogue import Catalogue, Machine, template
from tests.lab.conftest import Guest
from tests.lab.hosts import SSH_CONFIG, LabHost, engine_of_hosts, lab_hosts
from tests.system.home import Home

OURS_WITHIN_S = 30.0
CONNECT_S = 2
"""How long a guest waits for the answer of another."""
_LOOK_EVERY_S = 0.2
_ALIAS = "trifid:"
_TABLE = "trifid_"


class Lab:
    """An engine with the tiny guest in its catalogue, and two hosts that it reaches by ssh."""

    def __init__(self, home: Home, hosts: list[LabHost], guest: Guest) -> None:
        self.home = home
        self.catalogue = Catalogue(home, guest)
        self.api = self.catalogue.api
        self.hosts = {host.name: host for host in hosts}
        self.host_ids = {host.name: self.api.monitored_host(host.name, "qemu", "qemu") for host in hosts}

    def create(self, command: str, text: str, *options: str) -> int:
        """Make an object from a template, by the command that people use; return its id."""
        return _id(self.catalogue.run(command, "create", "-", *options, text=text))

    def submitted(self, name: str, nics: str, *, context: bool = True, kernel_words: str = "") -> int:
        """Make a VM that waits on hold, with NICs beside the one in the private network; return its id."""
        text = template(name, f'DISK = [ IMAGE = "root" ]\n{nics}', context=', SET_HOSTNAME = "$NAME"')
        if not context:
            text = "".join(line + "\n" for line in text.splitlines() if not line.startswith("CONTEXT"))
        text = text.replace("console=ttyS0 quiet", f"console=ttyS0 quiet {kernel_words}".rstrip())
        return _id(self.catalogue.run("onevm", "create", "-", "--hold", text=text))

    def started(self, name: str, host: str, nics: str) -> Machine:
        """Return a VM that boots on a host."""
        vm_id = self.submitted(name, nics)
        self.catalogue.run("onevm", "deploy", str(vm_id), host)
        return Machine(self.catalogue, vm_id)

    def on(self, host: str) -> "Ours":
        """Return what there is on a host of the engine's virtual networks."""
        return Ours(self.hosts[host])

    def until_nothing_is_left(self) -> None:
        """Wait until no host has anything of a virtual network."""

        def left() -> dict[str, dict[str, list[str]]]:
            return {host: found for host in self.hosts if any((found := self.on(host).all()).values())}

        until(lambda: not left(), lambda: str(left()))


class Ours:
    """What virtual networks have made on a host."""

    def __init__(self, host: LabHost) -> None:
        self._host = host

    def all(self) -> dict[str, list[str]]:
        """Return names of links, tables, network namespaces, files, and programs in namespaces."""
        links = json.loads(self._host.run("ip", "-j", "link"))
        tables = self._host.run("nft", "list", "tables").splitlines()
        files = self._host.run("find", "/run/trifid", "/run/netns", "-mindepth", "1").splitlines()
        return {
            "links": [link["ifname"] for link in links if str(link.get("ifalias", "")).startswith(_ALIAS)],
            "tables": [line for line in tables if _TABLE in line],
            "files": files,
            "dnsmasq": self._host.run("sh", "-c", "pgrep -f '^dnsmasq.*/run/trifid' || :").split(),
        }

    def rules(self) -> str:
        """Return the filters of the host."""
        return self._host.run("nft", "list", "ruleset")


class Listening:
    """What passes an interface, while a block runs.

    Attributes:
        said: by tcpdump, once the block has ended.
    """

    def __init__(self, interface: str, what: str, host: LabHost | None = None) -> None:
        argv = ["tcpdump", "-n", "-e", "-l", "-i", interface, what]
        self._argv = argv if host is None else host.argv(*argv)
        self.said = ""

    def __enter__(self) -> "Listening":
        self._dump = subprocess.Popen(self._argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self._dump.stderr
        heard = iter(self._dump.stderr)
        assert any("listening" in line for line in heard), f"{self._argv} does not listen"
        return self

    def __exit__(self, *_: object) -> None:
        self._dump.send_signal(signal.SIGINT)
        self.said = self._dump.communicate(timeout=30)[0]


def until(is_so: Callable[[], bool], what: Callable[[], str], within_s: float = OURS_WITHIN_S) -> None:
    """Return when something that no event tells of is so."""
    end = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end, f"not so within {within_s:g} s: {what()}"
        time.sleep(_LOOK_EVERY_S)


def connects(machine: Machine, address: str, port: int = 80) -> bool:
    """Tell whether a guest can open a connection."""
    said = machine.does(f"nc -w {CONNECT_S} {address} {port} < /dev/null > /dev/null 2>&1 && echo yes || echo no")
    return said == "yes\n"


def who_answers(machine: Machine, address: str) -> str:
    """Return the name of the guest whose page a guest gets from an address, empty for none."""
    said = machine.does(f"timeout 5 wget -q -O - http://{address}/ 2>/dev/null || :")
    return said.split()[0] if said else ""


def network(name: str, driver: str, first: str, size: int, *more: str) -> str:
    """Return the template of a network of IPv4 addresses."""
    lines = (f'NAME = "{name}"', f"VN_MAD = {driver}", f"AR = [ TYPE = IP4, IP = {first}, SIZE = {size} ]", *more)
    return "\n".join(lines)


@contextlib.contextmanager
def network_lab(directory: Path, guest: Guest) -> Iterator[Lab]:
    """A lab whose guests end with it."""
    own = directory / "own"
    of_hosts = directory / "hosts"
    for place in (own, of_hosts):
        place.mkdir()
    with lab_hosts(of_hosts, own) as hosts, engine_of_hosts(directory / "home", of_hosts / SSH_CONFIG) as home:
        yield Lab(home, hosts, guest)


def _id(said: str) -> int:
    return int(said.partition("ID:")[2].split()[0])

"""Documents of hosts for tests of the network driver."""

import dataclasses
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from trifid.core.network.host_document import Bandwidth, Group, HostDocument, HostNetwork, Port, Rule, Services
from trifid.drivers.remote.channel import PROGRAM
from trifid.drivers.remote.host import Host

ENGINE = "ab12cd34ef567890"
LIMIT = Bandwidth(1024, 4096, 64)


def port(number: int = 5, network: int = 1, *groups: int, **more: Any) -> Port:
    """Return a port that is guarded in every way."""
    fields: dict[str, Any] = {
        "device": f"one-{number}-0",
        "mac": f"02:00:0a:00:00:{number:02x}",
        "addresses": (f"10.0.0.{number}",),
        "keeps_mac": True,
        "keeps_ip": True,
        "is_filtered": True,
        "groups": groups,
        **more,
    }
    return Port(vm_id=number, nic_id=0, network_id=network, **fields)


def network(number: int = 1, **more: Any) -> HostNetwork:
    """Return a network with a bridge of its own."""
    return HostNetwork(**{"id": number, "driver": "fw", "bridge": f"onebr{number}", "is_bridge_made": True, **more})


def document(**more: Any) -> HostDocument:
    """Return the document of a host with one guest."""
    fields = {"networks": (network(),), "ports": (port(),), "groups": (Group(0, (Rule(True, "all"),)),), **more}
    return HostDocument(engine_id=ENGINE, host="host-a", **{"version": 1, **fields})


def rich() -> HostDocument:
    """Return a document with something of everything."""
    rules = (
        Rule(False, "all"),
        Rule(True, "tcp", ((80, 90), (22, 22), (85, 100)), peers=("10.0.0.0/25", "10.0.0.128/25", "fd00::/64")),
        Rule(True, "udp", ((0, 65535),)),
        Rule(True, "icmp", icmp_type=8),
        Rule(True, "icmpv6", peers=("10.0.0.0/8", "2001:db8::/32")),
        Rule(True, "ipsec", peers=("192.0.2.1/32",)),
        Rule(True, "all", peers=("0.0.0.0/0",)),
    )
    services = Services("10.1.0.254/24", "fd01::fe/64", has_dhcp=True, has_dns=True, is_router=True)
    return document(
        networks=(network(), network(2, services=services, driver="vxlan", vlan_id=7), network(3, driver="bridge")),
        ports=(
            port(5, 1, 0, 100, addresses=("10.0.0.5", "fd00::5")),
            port(6, 1, 100),
            port(7, 2, 0, addresses=("10.1.0.7",)),
            port(8, 2, 100, 999, addresses=("10.1.0.8",), keeps_ip=False),
            port(9, 3, keeps_mac=True, keeps_ip=False, is_filtered=False),
        ),
        groups=(Group(0, (Rule(False, "all"), Rule(True, "all"))), Group(100, rules), Group(200, rules)),
    )


@dataclasses.dataclass
class Computer:
    """A machine whose programs are ours: they answer as they are told and write down what they were asked."""

    directory: Path

    def __post_init__(self) -> None:
        self.directory.mkdir(exist_ok=True)
        self._log = self.directory / "asked"
        self._log.touch()

    @property
    def asked(self) -> list[str]:
        """What was run, in order."""
        return self._log.read_text().splitlines()

    @property
    def path(self) -> str:
        """A PATH on which these programs come first."""
        return f"{self.directory}:{os.environ['PATH']}"

    def program(self, name: str, body: str = "") -> None:
        """Install a program: a shell script, after it has written down its arguments."""
        path = self.directory / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self._log}\n{body}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def host(self, name: str = "host-a") -> Host:
        """Return the way to it."""
        return Host(name, ["env", f"PATH={self.path}", "sh", "-c", PROGRAM])


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    """A machine whose programs are ours, as far as a test installs them."""
    return Computer(tmp_path / "bin")

"""Hosts and guests made of namespaces alone, on which address services can be tried: no hypervisor is needed.

Two hosts share an "outside" (203.0.113.0/24, the lab itself is 203.0.113.1 there) and a cable between their
bridges; guests are namespaces at a bridge, with the interface of a NIC.
"""

import contextlib
import json
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from trifid.core.network.host_document import HostDocument, HostNetwork, Named, Port, Services
from trifid.drivers.remote.channel import PROGRAM
from trifid.drivers.remote.host import Host
from trifid.drivers.vnm.tools import Tools

ENGINE = "0123456789abcdef"
OUTSIDE, BRIDGE = "203.0.113.1", "br7"
READY = "ready"
FORWARD_WITHIN_S, LOOK_EVERY_S = 10.0, 0.05
UDHCPC = """#!/bin/sh
case "$1" in
    bound)
        busybox ip addr add "$ip/$mask" dev eth0
        [ -z "$router" ] || busybox ip route add default via "$router"
        echo "ip=$ip/$mask router=$router dns=$dns domain=$domain hostname=$hostname mtu=$mtu lease=$lease"
        ;;
esac
"""

# Asks for an IPv6 address (RFC 8415: Solicit) and prints the one of the answer.
SOLICIT = """
import ipaddress, socket, struct, sys
mac, interface = bytes.fromhex(sys.argv[1].replace(":", "")), socket.if_nametoindex("eth0")
def option(code, data):
    return struct.pack("!HH", code, len(data)) + data
def options(data):
    while data:
        code, length = struct.unpack("!HH", data[:4])
        yield code, data[4:4 + length]
        data = data[4 + length:]
asking = b"\\x01abc" + option(1, b"\\0\\3\\0\\1" + mac) + option(3, bytes(12)) + option(8, bytes(2))
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
    client.bind(("::", 546, 0, interface))
    client.settimeout(2)
    client.sendto(asking, ("ff02::1:2", 547, 0, interface))
    try:
        answer = client.recv(2000)
    except TimeoutError:
        sys.exit()
    for code, data in options(answer[4:]):
        for inner, value in options(data[12:]) if code == 3 else ():
            if inner == 5:
                print(ipaddress.IPv6Address(value[:16]))
"""


class Space:
    """A network and a mount namespace of its own, with an empty /run."""

    def __init__(self, name: str) -> None:
        self.name = name
        program = f"mount -t tmpfs tmpfs /run; ip link set lo up; echo {READY}; exec sleep infinity"
        self._sleeper = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-euc", program], stdout=subprocess.PIPE, text=True
        )
        assert self._sleeper.stdout and self._sleeper.stdout.readline().strip() == READY
        self.pid = self._sleeper.pid
        self.argv = ["nsenter", f"--target={self.pid}", "--net", "--mount", "--"]

    def result(self, *argv: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*self.argv, *argv], capture_output=True, text=True, check=False, timeout=60)

    def run(self, *argv: str) -> str:
        result = self.result(*argv)
        assert result.returncode == 0, f"{self.name}: {argv}: {result.stderr or result.stdout}"
        return result.stdout

    def end(self) -> None:
        self._sleeper.kill()
        self._sleeper.wait()


class ServedHost(Space):
    """A host, with a bridge and a way to the outside."""

    def __init__(self, name: str, address: str) -> None:
        super().__init__(name)
        self.tools = Tools(Host(name, [*self.argv, "sh", "-c", PROGRAM]))
        lab(f"link add {name} type veth peer name eth0 netns {self.pid}")
        lab(f"link set {name} master outside up")
        self.run("ip", "link", "add", BRIDGE, "type", "bridge")
        self.run("ip", "link", "set", BRIDGE, "up")
        self.run("ip", "addr", "add", f"{address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        self.run("ip", "route", "add", "default", "via", OUTSIDE)

    def until_ports_forward(self) -> None:
        """Return when its bridges pass on what their ports hear: the kernel may take a second to see a new link."""
        until = time.monotonic() + FORWARD_WITHIN_S
        while any(port["state"] != "forwarding" for port in json.loads(self.run("bridge", "-j", "link") or "[]")):
            assert time.monotonic() < until, f"{self.name}: {self.run('bridge', 'link')}"
            select.select([], [], [], LOOK_EVERY_S)

    def pids_of(self, network_id: int) -> list[int]:
        return [int(pid) for pid in self.run("ip", "netns", "pids", f"trifid-{ENGINE[:8]}-{network_id}").split()]

    def end(self) -> None:
        self.tools.host.close()
        for path in self.run("sh", "-c", "ls /run/netns 2>/dev/null || :").split():
            for pid in self.run("ip", "netns", "pids", path).split():
                subprocess.run(["kill", "-KILL", pid], check=True)
        lab(f"link delete dev {self.name}")
        super().end()


class ServedGuest(Space):
    """A guest at a host's bridge."""

    def __init__(self, host: ServedHost, device: str, mac: str, bridge: str = BRIDGE) -> None:
        super().__init__(device)
        self.host, self.device, self.mac = host, device, mac
        host.run("ip", "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        host.run("ip", "link", "set", device, "master", bridge, "up")
        self.run("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad")
        self.run("ip", "link", "set", "eth0", "address", mac, "up")
        host.until_ports_forward()

    def asks_for_an_address(self, script: Path) -> dict[str, str]:
        """Return what DHCP tells it, nothing when nobody does."""
        options = ("-f", "-n", "-q", "-t", "2", "-T", "1", "-O", "mtu", "-O", "router", "-O", "dns")
        result = self.result("busybox", "udhcpc", "-i", "eth0", *options, "-s", str(script))
        lines = [line for line in result.stdout.splitlines() if line.startswith("ip=")]
        return dict(word.split("=", 1) for word in lines[0].split()) if lines else {}

    def offered6(self) -> str:
        """Return the IPv6 address that DHCP offers it, nothing when none is."""
        return self.run(sys.executable, "-c", SOLICIT, self.mac).strip()

    def resolves(self, name: str, server: str) -> bool:
        """Tell whether a name server knows a name."""
        return self.result("busybox", "nslookup", name, server).returncode == 0

    def reaches(self, address: str) -> bool:
        return self.result("busybox", "ping", "-c", "1", "-W", "1", address).returncode == 0

    def port(self, network_id: int, *addresses: str) -> Port:
        vm_id, nic_id = self.device.split("-")[1:]
        return Port(
            vm_id=int(vm_id),
            nic_id=int(nic_id),
            device=self.device,
            network_id=network_id,
            mac=self.mac,
            addresses=addresses,
        )


def lab(command: str) -> None:
    """Run `ip` in the lab itself."""
    subprocess.run(["ip", *command.split()], check=True)


def mac_of(ip: str) -> str:
    return "02:00:" + ":".join(f"{int(part):02x}" for part in ip.split("."))


def services(*known: tuple[str, str], **changed) -> Services:
    """Everything a network can have, for guests with these addresses and names."""
    fields = {
        "address": "10.7.0.254/24",
        "has_dhcp": True,
        "has_dns": True,
        "is_router": True,
        "domain": "cloud.example",
    }
    named = tuple(Named(mac_of(ip), name, (ip,)) for ip, name in known)
    return Services(**{**fields, "known": named, **changed})


def network(network_id: int, served: Services | None, bridge: str = BRIDGE, **changed) -> HostNetwork:
    return HostNetwork(id=network_id, driver="bridge", bridge=bridge, services=served, **changed)


def document(networks: list[HostNetwork], ports: list[Port], version: int = 1) -> HostDocument:
    return HostDocument(engine_id=ENGINE, host="host", version=version, networks=tuple(networks), ports=tuple(ports))


@contextlib.contextmanager
def outside() -> Iterator[None]:
    """The network that hosts are reached by, the lab is in it, too."""
    lab("link add outside type bridge")
    try:
        lab(f"addr add {OUTSIDE}/24 dev outside")
        lab("link set outside up")
        yield
    finally:
        lab("link delete dev outside")


@contextlib.contextmanager
def listening(port: int) -> Iterator[list[str]]:
    """A server outside that says hello; yields the addresses it was called from."""
    callers: list[str] = []
    with socket.create_server((OUTSIDE, port)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, (address, *_) = server.accept()
                    callers.append(address)
                    with connection:
                        connection.sendall(b"hello\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield callers
        server.shutdown(socket.SHUT_RDWR)
    thread.join()

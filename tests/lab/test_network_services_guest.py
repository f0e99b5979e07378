"""Address services and clusters with real guests: one that knows nothing of contexts, one that only its cluster takes.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import contextlib
import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.lab.catalogue import Machine
from tests.lab.conftest import BRIDGE, GATEWAY, Guest
from tests.lab.guests import fetch, until_serving
from tests.lab.networks import Lab, network, network_lab, until, who_answers

pytestmark = pytest.mark.timeout(300)

OUTSIDE, OUTSIDE_PORT = "203.0.113.1", 8000
STOCK_NAME = "Stock `image`; $(touch {canary})"
SERVED = ("MTU = 1450", "DHCP = YES", "DNS_SERVICE = YES", "ROUTER = YES", "DOMAIN = cloud.example")
REASON = "the address of the host"
UNGUARDED = ("FILTER_MAC_SPOOFING = NO", "FILTER_IP_SPOOFING = NO")


class Scene(NamedTuple):
    """A guest that asks for its address, on host-a; and one with a door, which had to go to host-b.

    Attributes:
        canary: exists when something of a template was executed.
        refusal: of running the second one on host-a.
    """

    lab: Lab
    stock: Machine
    keeper: Machine
    canary: Path
    refusal: str


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, bridge: str, guest: Guest) -> Iterator[Scene]:
    """Hosts with a way to the outside, each in a cluster of its own."""
    canary = tmp_path_factory.mktemp("canary") / "sang"
    subprocess.run(["ip", "addr", "add", f"{OUTSIDE}/32", "dev", BRIDGE], check=True)
    with network_lab(tmp_path_factory.mktemp("lab"), guest) as lab:
        for host in lab.hosts.values():
            host.run("ip", "route", "add", "default", "via", GATEWAY.partition("/")[0])
        lab.create("onevnet", network("lan", "vxlan", "10.7.0.1", 100, *SERVED, *UNGUARDED))
        lab.create("onevnet", network("vault", "fw", "10.6.0.1", 10))
        run = lab.catalogue.run
        run("onecluster", "create", "apart")
        run("onecluster", "addhost", "apart", "host-b")
        run("onecluster", "adddatastore", "apart", "system,default,files")
        run("onecluster", "addvnet", "apart", "private,lan,vault")
        run("onecluster", "delvnet", "default", "vault")
        stock_id = lab.submitted(
            STOCK_NAME.format(canary=canary),
            'NIC = [ NETWORK = "lan" ]',
            context=False,
            kernel_words="ip=:::::eth1:dhcp",
        )
        run("onevm", "deploy", str(stock_id), "host-a")
        keeper_id = lab.submitted("keeper", 'NIC = [ NETWORK = "lan" ]\nNIC = [ NETWORK = "vault" ]')
        refusal = lab.catalogue.refused("onevm", "deploy", str(keeper_id), "host-a")
        run("onevm", "release", str(keeper_id))
        stock, keeper = (Machine(lab.catalogue, vm_id) for vm_id in (stock_id, keeper_id))
        for machine in (stock, keeper):
            machine.is_to_be("RUNNING")
        keeper.until_open()
        until_serving(lab.api, stock.address)
        yield Scene(lab, stock, keeper, canary, refusal)
        for machine in (stock, keeper):
            run("onevm", "terminate", "--hard", str(machine.id), "--wait")
        lab.until_nothing_is_left()
        assert not canary.exists()


@contextlib.contextmanager
def outside() -> Iterator[list[str]]:
    """Serve a page outside of all networks; gives the addresses of those who have asked for it."""
    callers: list[str] = []

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            callers.append(self.client_address[0])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"outside\n")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer((OUTSIDE, OUTSIDE_PORT), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield callers
        finally:
            server.shutdown()
            thread.join()


def test_a_guest_without_context_gets_its_address_resolves_names_and_reaches_the_outside(scene: Scene) -> None:
    stock = scene.stock
    nic = stock.nics[1]
    said = fetch(stock.address, "/cgi-bin/info").splitlines()
    assert f"interface eth1 {nic['MAC']} {nic['IP']}/24" in said
    assert fetch(stock.address, "/cgi-bin/fetch?keeper.cloud.example").startswith("keeper ")
    with outside() as callers:
        assert fetch(stock.address, f"/cgi-bin/fetch?{OUTSIDE}:{OUTSIDE_PORT}") == "outside\n"
    host = scene.lab.hosts["host-a"].run("ip", "-4", "-o", "addr", "show", BRIDGE).split()[3]
    assert callers == [host.partition("/")[0]], "by the host's address"


def test_a_name_that_no_dns_could_tell_is_told_as_one_that_it_can(scene: Scene) -> None:
    name = fetch(scene.stock.address, "/cgi-bin/info").splitlines()[0].split()[1]
    assert name.startswith("stock-image-touch-")
    assert not scene.canary.exists()
    assert who_answers(scene.keeper, f"{name}.cloud.example") == name


def test_a_mac_that_has_no_lease_gets_no_address(scene: Scene) -> None:
    ask = "udhcpc -n -q -t 3 -T 1 -i eth1 -s /bin/true > /dev/null 2>&1 && echo lease || echo none"
    change = "ip link set eth1 down; ip link set eth1 address {}; ip link set eth1 up"
    mac = scene.keeper.nics[1]["MAC"]
    assert scene.keeper.does(ask) == "lease\n"
    assert scene.keeper.does("; ".join((change.format("02:00:0a:07:00:63"), ask))) == "none\n"
    assert scene.keeper.does("; ".join((change.format(mac), ask))) == "lease\n"


def test_a_vm_goes_where_its_network_belongs_and_the_refusal_names_network_cluster_and_host(scene: Scene) -> None:
    assert scene.lab.hosts["host-b"].domains() == [f"one-{scene.keeper.id}"]
    assert scene.lab.hosts["host-a"].domains() == [f"one-{scene.stock.id}"]
    for word in ("vault", "apart", "host-a"):
        assert word in scene.refusal, scene.refusal


def test_an_address_of_a_host_that_is_a_command_is_refused_and_what_is_there_stays(scene: Scene) -> None:
    log = scene.lab.home.path / "log" / "trifidd.log"
    evil = f"x; touch {scene.canary}"
    scene.lab.catalogue.run("onehost", "update", "host-b", "-", "--append", text=f'VXLAN_ADDRESS = "{evil}"')
    until(
        lambda: f"host host-b: its virtual networks are not as they should be: {REASON}" in log.read_text(),
        lambda: log.read_text()[-2000:],
    )
    assert not scene.canary.exists()
    assert fetch(scene.stock.address, "/cgi-bin/fetch?keeper.cloud.example").startswith("keeper ")
    scene.lab.catalogue.run("onehost", "update", "host-b", "-", "--append", text='VXLAN_ADDRESS = "host-b"')

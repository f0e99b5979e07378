"""Networks, security groups, network templates and clusters of a real engine, by the commands people use."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.home import Api, Home, engine
from trifid.client import ApiError
from trifid.wire.elements import one_element, several

LAN = """
NAME = lan
VN_MAD = vxlan
PHYDEV = eth0
AR = [ TYPE = IP4, IP = 10.9.0.1, SIZE = 20 ]
"""
VM = 'NAME = "{}"\nCPU = 0.1\nMEMORY = 32\n{}'
NIC = 'NIC = [ NETWORK = "lan" ]'


class Cloud:
    """An engine with two dummy hosts."""

    def __init__(self, home: Home, api: Api) -> None:
        self.home, self.api = home, api
        for name in ("host-a", "host-b"):
            api.monitored_host(name)

    def run(self, *argv: str, text: str | None = None) -> str:
        """Return what a command prints."""
        return self.home.run(*argv, text=text).stdout

    def refused(self, *argv: str, text: str | None = None) -> str:
        """Return why a command is refused."""
        done = self.home.run(*argv, text=text, status=None)
        assert done.returncode, f"{' '.join(argv)} was not refused\n{done.stdout}"
        return done.stderr

    def create(self, command: str, text: str, *options: str) -> int:
        """Make an object from a template; return its id."""
        return int(self.run(command, "create", "-", *options, text=text).partition("ID:")[2].split()[0])

    def running(self, name: str, nics: str) -> dict[str, str]:
        """Return the first NIC of a VM that the scheduler has placed."""
        vm_id = self.create("onevm", VM.format(name, nics))
        assert self.api.until_state(vm_id, "RUNNING", "BOOT_FAILURE") == "RUNNING", self.run("onevm", "log", str(vm_id))
        nic: dict[str, str] = several(self.api.vm(vm_id)["TEMPLATE"]["NIC"])[0]
        return {**nic, "VM": str(vm_id), "HOST": self.host_of(vm_id)}

    def host_of(self, vm_id: int) -> str:
        """Return where a VM is."""
        return str(several(self.api.vm(vm_id)["HISTORY_RECORDS"]["HISTORY"])[-1]["HOSTNAME"])

    def network(self, network_id: int) -> dict[str, Any]:
        """Return the document of a network."""
        return one_element(self.api.call("one.vn.info", network_id), "VNET")


@pytest.fixture
def cloud(home: Home, api: Api) -> Cloud:
    return Cloud(home, api)


def test_addresses_are_held_reserved_leased_and_come_back(cloud: Cloud) -> None:
    lan = cloud.create("onevnet", LAN)
    cloud.run("onevnet", "hold", "lan", "10.9.0.1")
    cloud.run("onevnet", "reserve", "lan", "--name", "mine", "--size", "4", "--ip", "10.9.0.2")
    assert cloud.running("one", NIC)["IP"] == "10.9.0.6"
    mine = cloud.running("two", 'NIC = [ NETWORK = "mine" ]')
    assert mine["IP"] == "10.9.0.2"
    assert cloud.network(lan)["USED_LEASES"] == "6"
    assert "10.9.0.1" in cloud.refused(
        "onevm", "create", "-", text=VM.format("x", NIC.replace(" ]", ", IP=10.9.0.1 ]"))
    )
    assert "reservation 1" in cloud.refused("onevnet", "delete", "lan")
    for vm_id in ("0", "1"):
        cloud.run("onevm", "terminate", "--hard", vm_id, "--wait")
    cloud.run("onevnet", "delete", "mine")
    cloud.run("onevnet", "release", "lan", "10.9.0.1")
    assert cloud.network(lan)["USED_LEASES"] == "0"
    cloud.run("onevnet", "delete", "lan")


def test_a_nic_that_takes_any_network_waits_for_one_and_keeps_it(cloud: Cloud) -> None:
    vm_id = cloud.create("onevm", VM.format("web", "CONTEXT = [ NETWORK = YES ]"), "--nic", "auto")
    reason = "No virtual network meets SCHED_NIC_REQUIREMENTS for NIC 0"

    def is_told() -> bool:
        return str((cloud.api.vm(vm_id)["USER_TEMPLATE"] or {}).get("SCHED_MESSAGE", "")).startswith(reason)

    cloud.api.until(is_told, "the VM says what it waits for")
    lan = cloud.create("onevnet", LAN)
    cloud.api.until_state(vm_id, "RUNNING")
    template = cloud.api.vm(vm_id)["TEMPLATE"]
    assert (template["NIC"]["NETWORK_ID"], template["NIC"]["IP"]) == (str(lan), "10.9.0.1")
    assert template["CONTEXT"]["ETH0_IP"] == "10.9.0.1"
    told = [path.read_text() for path in cloud.home.path.rglob("context.sh")]
    assert len(told) == 1
    assert "ETH0_IP='10.9.0.1'" in told[0]
    cloud.run("onevm", "undeploy", "--hard", str(vm_id), "--wait")
    second = cloud.create("onevnet", LAN.replace("= lan", "= second").replace("10.9", "10.8"))
    cloud.run("onevm", "resume", str(vm_id), "--wait")
    cloud.run("onevm", "nic-attach", str(vm_id), "--network", "auto", "--wait")
    nics = several(cloud.api.vm(vm_id)["TEMPLATE"]["NIC"])
    assert [nic["NETWORK_ID"] for nic in nics] == [str(lan), str(second)]
    cloud.run("onevm", "terminate", "--hard", str(vm_id), "--wait")
    assert [cloud.network(network_id)["USED_LEASES"] for network_id in (lan, second)] == ["0", "0"]


def test_a_group_is_attached_to_a_running_vm_changed_and_in_use_until_it_is_detached(cloud: Cloud) -> None:
    cloud.create("onevnet", LAN)
    nic = cloud.running("web", NIC)
    assert nic["SECURITY_GROUPS"] == "0"
    cloud.run("onesecgroup", "create", "--name", "web", "--inbound", "tcp:80,443", "--outbound", "all")
    cloud.run("onevm", "sg-attach", nic["VM"], "0", "web")
    group_id = int(cloud.run("onesecgroup", "list", "--csv", "--no-header", "-l", "ID", "-f", "NAME=web"))

    def states() -> dict[str, Any]:
        return one_element(cloud.api.call("one.secgroup.info", group_id), "SECURITY_GROUP")

    def is_applied() -> bool:
        return bool(states()["UPDATED_VMS"] == {"ID": nic["VM"]})

    cloud.api.until(is_applied, "the host applies the group")
    cloud.run("onesecgroup", "update", "web", "-", text="RULE = [ PROTOCOL = UDP, RULE_TYPE = inbound, RANGE = 53 ]")
    cloud.api.until(is_applied, "the host applies what the group says now")
    assert states()["TEMPLATE"]["RULE"]["PROTOCOL"] == "UDP"
    assert "used" in cloud.refused("onesecgroup", "delete", "web").lower()
    cloud.run("onevm", "sg-detach", nic["VM"], "0", "web")
    assert states()["UPDATED_VMS"] in ("", None, {})
    cloud.run("onesecgroup", "delete", "web")


def test_a_network_is_made_of_a_template_and_its_vms_run(cloud: Cloud) -> None:
    template = "NAME = private\nVN_MAD = vxlan\nPHYDEV = eth0\nAUTOMATIC_VLAN_ID = YES"
    cloud.create("onevntemplate", template)
    ranges = cloud.home.path / "ranges.txt"
    ranges.write_text("AR = [ TYPE = IP4, IP = 10.5.0.1, SIZE = 5 ]")
    for name in ("first", "second"):
        cloud.run("onevntemplate", "instantiate", "private", str(ranges), "--name", name)
    first, second = (cloud.network(network_id) for network_id in (0, 1))
    assert (first["PHYDEV"], first["VN_MAD"]) == ("eth0", "vxlan")
    assert first["VLAN_ID"] != second["VLAN_ID"]
    assert cloud.running("one", 'NIC = [ NETWORK = "first" ]')["IP"] == "10.5.0.1"
    assert cloud.running("two", 'NIC = [ NETWORK = "second" ]')["IP"] == "10.5.0.1"
    cloud.run("onevntemplate", "delete", "private")


def test_vms_go_to_the_cluster_of_their_network_and_nowhere_else(cloud: Cloud) -> None:
    cloud.run("onecluster", "create", "apart")
    cloud.run("onecluster", "addhost", "apart", "host-b")
    cloud.run("onecluster", "adddatastore", "apart", "system")
    cloud.create("onevnet", LAN, "--cluster", "apart")
    assert {cloud.running(name, NIC)["HOST"] for name in ("one", "two", "three")} == {"host-b"}
    said = cloud.run("onevm", "create", "-", "--hold", text=VM.format("four", NIC))
    refusal = cloud.refused("onevm", "deploy", said.partition("ID:")[2].split()[0], "host-a")
    for word in ("lan", "apart", "host-a"):
        assert word in refusal, refusal
    assert "host-a" in cloud.refused("onevm", "migrate", "0", "host-a")
    assert "lan" in cloud.refused("onecluster", "delvnet", "apart", "lan")
    assert "host-b" in cloud.refused("onecluster", "delhost", "apart", "host-b")


HARMS = (
    "$(touch {})",
    "`touch {}`",
    "x; touch {};",
    "x' ; touch {} ; '",
    'x\\" ; touch {} ; \\"',
    "x | touch {}",
    "x\ntouch {}\n",
    "} ; flush ruleset ;",
    "-h",
    "../../x",
)


NAMES_DEVICES = ("BRIDGE", "PHYDEV", "VLAN_ID", "BRIDGE_TYPE", "VN_MAD")
OF_A_NIC = ("BRIDGE", "PHYDEV", "VLAN_ID", "VN_MAD", "TARGET", "SCRIPT", "FILTER", "MODEL", "MAC", "SECURITY_GROUPS")
OF_A_RULE = ("PROTOCOL", "RULE_TYPE", "RANGE", "IP", "SIZE", "NETWORK_ID", "ICMP_TYPE")


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """An engine for those whose every wish is refused."""
    with engine(tmp_path_factory.mktemp("unharmed") / "home") as started:
        yield started


def test_what_names_devices_is_a_name_of_a_device_or_refused(unharmed: Home, tmp_path: Path) -> None:
    api, canary = Api(unharmed), tmp_path / "sang"
    for attribute in NAMES_DEVICES:
        rest = "".join(line + "\n" for line in LAN.splitlines() if not line.startswith(attribute))
        for harm in (text.replace("{}", str(canary)) for text in HARMS):
            with pytest.raises(ApiError):
                api.call("one.vn.allocate", f'{rest}{attribute} = "{harm}"', -1)
        done = unharmed.run("onevnet", "create", "-", text=f'{rest}{attribute} = "$(touch {canary})"', status=None)
        assert done.returncode and attribute in done.stderr
    assert "<VNET>" not in api.call("one.vnpool.info", -2, -1, -1)
    api.call("one.vn.allocate", LAN, -1)
    for key in OF_A_NIC:
        for harm in (text.replace("{}", str(canary)) for text in HARMS):
            with pytest.raises(ApiError):
                api.call("one.vm.allocate", VM.format("x", f'NIC = [ NETWORK = "lan", {key} = "{harm}" ]'), False)
    assert not canary.exists()


def test_what_a_rule_says_is_a_rule_or_refused(unharmed: Home, tmp_path: Path) -> None:
    api, canary = Api(unharmed), tmp_path / "sang"
    for key in OF_A_RULE:
        rule = {"PROTOCOL": "ICMP" if key == "ICMP_TYPE" else "TCP", "RULE_TYPE": "inbound"}
        for harm in (text.replace("{}", str(canary)) for text in HARMS):
            pairs = ", ".join(f'{name} = "{value}"' for name, value in {**rule, key: harm}.items())
            with pytest.raises(ApiError):
                api.call("one.secgroup.allocate", f"NAME = evil\nRULE = [ {pairs} ]")
    for harm in (f"tcp:$(touch {canary})", f"tcp@`touch {canary}`", f"tcp;touch {canary}", "all} ; flush ruleset"):
        assert unharmed.run("onesecgroup", "create", "--name", "x", "--inbound", harm, status=None).returncode
    assert api.call("one.secgrouppool.info", -2, -1, -1).count("<SECURITY_GROUP>") == 1, "default, and no other"
    assert not canary.exists()

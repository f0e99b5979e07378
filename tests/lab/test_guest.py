"""A real guest under libvirt and QEMU: from a template to an answer over HTTP, and to nothing left over.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import Guest
from tests.lab.guests import NETWORK, fetch, left_over, template, until_serving
from tests.system.home import Api, Home, engine

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def home(tmp_path: Path, bridge: str) -> Iterator[Home]:
    """An engine with the libvirt drivers, under TCG."""
    with engine(tmp_path / "home", drivers="libvirt") as started:
        yield started


def test_from_template_to_http_and_back_to_nothing(home: Home, guest: Guest) -> None:
    api = Api(home)
    host_id = api.monitored_host("localhost", "qemu", "qemu")
    network_id = api.call("one.vn.allocate", NETWORK, -1)
    done = home.run("onevm", "create", "-", "--wait", "RUNNING", text=template(guest, "web1"))
    vm_id = int(done.stdout.split("ID:")[1].split()[0])
    nic = api.vm(vm_id)["TEMPLATE"]["NIC"]
    assert nic["MAC"] == "02:00:0a:00:00:01" and nic["IP"] == "10.0.0.1"

    until_serving(api, nic["IP"])
    assert fetch(nic["IP"]).split() == ["web1", "10.0.0.1/24"]
    context = fetch(nic["IP"], "/context.txt")
    assert "root=/dev/sda" in context
    assert "HOSTNAME='web1'" in context and f"VM_ID='{vm_id}'" in context
    assert "GREETING='it'\\''s web1 at 10.0.0.1 & <well>'" in context
    info = fetch(nic["IP"], "/cgi-bin/info")
    assert re.search(r"^swap /dev/sd[ab] 327[0-9][0-9]$", info, re.MULTILINE), "the swap disk is in use"
    assert "02:00:0a:00:00:01" in info
    clone = home.path / "datastores" / "0" / str(vm_id) / "disk.0"
    assert clone.exists()
    assert guest.root.read_bytes() == guest.pristine, "the image itself is not written to"
    host = next(h for h in api.hosts() if h["ID"] == str(host_id))
    assert int(host["HOST_SHARE"]["RUNNING_VMS"]) == 1
    assert host["TEMPLATE"]["HYPERVISOR"] in ("kvm", "qemu")

    home.run("onevm", "shutdown", str(vm_id), "--wait")
    assert api.state(vm_id) == "DONE"
    assert api.vm(vm_id)["HISTORY_RECORDS"]["HISTORY"]["ACTION"] == "27"
    assert left_over(home) == {"domains": [], "taps": [], "files": []}
    assert "<USED_LEASES>0</USED_LEASES>" in api.call("one.vn.info", network_id)
    story = home.run("onevm", "log", str(vm_id)).stdout
    for state in ("PENDING", "PROLOG", "BOOT", "RUNNING", "SHUTDOWN", "EPILOG", "DONE"):
        assert state in story


def test_a_guest_that_was_booting_when_the_engine_was_killed_is_adopted(home: Home, guest: Guest) -> None:
    api = Api(home)
    api.monitored_host("localhost", "qemu", "qemu")
    api.call("one.vn.allocate", NETWORK, -1)
    vm_id = api.call("one.vm.allocate", template(guest, "web2"), False)
    api.until_state(vm_id, "BOOT", "RUNNING")
    home.kill()
    home.start()
    api = Api(home)
    api.until_state(vm_id, "RUNNING")
    domains = subprocess.run(["virsh", "-q", "list", "--name"], capture_output=True, text=True, check=True)
    assert domains.stdout.split() == [f"one-{vm_id}"]
    until_serving(api, "10.0.0.1")

    # the guest goes down by itself: seen without being asked
    subprocess.run(["virsh", "destroy", f"one-{vm_id}"], check=True, capture_output=True)
    api.until_state(vm_id, "POWEROFF")
    api.call("one.vm.action", "resume", vm_id)
    api.until_state(vm_id, "RUNNING")
    api.call("one.vm.action", "terminate-hard", vm_id)
    api.until_state(vm_id, "DONE")
    assert left_over(home) == {"domains": [], "taps": [], "files": []}


def test_a_domain_that_libvirt_refuses_fails_with_its_words_and_leaves_nothing(home: Home, guest: Guest) -> None:
    api = Api(home)
    host_id = api.monitored_host("localhost", "qemu", "qemu")
    refused = template(guest, "odd").replace('NIC    = [ network = "private" ]', "NIC = [ BRIDGE = nosuchbridge ]")
    refused = refused.replace("$NIC[IP]", "no address")
    vm_id = api.call("one.vm.allocate", refused, True)
    api.call("one.vm.deploy", vm_id, host_id)
    api.until_state(vm_id, "BOOT_FAILURE")
    assert "nosuchbridge" in api.vm(vm_id)["USER_TEMPLATE"]["ERROR"]
    assert left_over(home)["domains"] == [] and left_over(home)["taps"] == []
    api.call("one.vm.action", "terminate", vm_id)
    api.until_state(vm_id, "DONE")
    assert left_over(home) == {"domains": [], "taps": [], "files": []}


def test_a_host_that_cannot_be_reached_is_in_error_and_gets_no_vm(home: Home, guest: Guest) -> None:
    api = Api(home)
    host_id = api.call("one.host.allocate", "nowhere.invalid", "qemu", "qemu", -1)
    host = api.until(lambda: next((h for h in api.hosts() if h["STATE"] == "3"), None), "the host is in error")
    assert "nowhere.invalid" in host["TEMPLATE"]["ERROR"]
    vm_id = api.call("one.vm.allocate", "NAME=waits\nCPU=1\nMEMORY=64", False)
    api.until(lambda: "SCHED_MESSAGE" in (api.vm(vm_id)["USER_TEMPLATE"] or {}), "the scheduler tells why it waits")
    assert "in error" in api.vm(vm_id)["USER_TEMPLATE"]["SCHED_MESSAGE"]
    done = home.run("onevm", "deploy", str(vm_id), str(host_id), status=255)
    assert "must be MONITORED" in done.stderr

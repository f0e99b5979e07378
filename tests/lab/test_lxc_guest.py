"""A VM that is a container: from a template to an answer over HTTP, and to nothing left over.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

from tests.lab.conftest import BRIDGE, Guest
from tests.lab.containers import (
    NOTHING,
    end_containers,
    engine_of_containers,
    left_of_containers,
    place_for_containers,
)
from tests.lab.guests import NETWORK, fetch, files_of_vms, until_serving
from tests.system.home import Api, Home

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", autouse=True)
def groups() -> Iterator[None]:
    with place_for_containers():
        yield


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """End what a test leaves running."""
    yield
    end_containers()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, bridge: str) -> Iterator[Home]:
    with engine_of_containers(tmp_path_factory.mktemp("engine") / "home") as started:
        yield started


@pytest.fixture(scope="module")
def api(home: Home) -> Api:
    """Calls to an engine with one host for containers, and a network."""
    made = Api(home)
    made.monitored_host("localhost", "lxc", "lxc")
    made.call("one.vn.allocate", NETWORK, -1)
    return made


def template(guest: Guest, name: str, more: str = "") -> str:
    """Return the template of a container from the demo's root disk, with a second disk."""
    return f"""
NAME    = {name}
CPU     = 0.5
VCPU    = 1
MEMORY  = 64
DISK    = [ source = "{guest.root}" ]
DISK    = [ type = fs, format = ext4, size = 16 ]
NIC     = [ network = "private" ]
GRAPHICS = [ type = vnc ]
CONTEXT = [ hostname = "{name}", greeting = "it's $NAME at $NIC[IP]", start_script = "touch /media/1/started" ]
{more}
"""


def created(home: Home, text: str) -> int:
    """Return the id of a VM that runs."""
    done = home.run("onevm", "create", "-", "--wait", "RUNNING", text=text)
    return int(done.stdout.split("ID:")[1].split()[0])


def domains() -> list[str]:
    return [found.name() for found in libvirt.open("lxc:///system").listAllDomains()]


def links() -> list[str]:
    listed = json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, text=True, check=True).stdout)
    return [link["ifname"] for link in listed if link["ifname"] not in ("lo", BRIDGE)]


def inside(vm_id: int, *argv: str) -> str:
    """Return what a program prints that runs in a container."""
    controller = Path(f"/run/libvirt/lxc/one-{vm_id}.pid").read_text().strip()
    first = Path(f"/proc/{controller}/task/{controller}/children").read_text().split()[0]
    argv = ("nsenter", f"--target={first}", "--all", "--", *argv)
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_from_template_to_http_through_poweroff_and_resume_to_nothing(home: Home, guest: Guest, api: Api) -> None:
    vm_id = created(home, template(guest, "box1"))
    address = api.vm(vm_id)["TEMPLATE"]["NIC"]["IP"]
    until_serving(api, address)
    assert fetch(address).split() == ["box1", f"{address}/24"]
    context = fetch(address, "/context.txt")
    assert f"GREETING='it'\\''s box1 at {address}'" in context
    info = fetch(address, "/cgi-bin/info")
    assert "memory_total_kib 65536" in info, "its limit is what it sees"
    assert f"interface eth0 {api.vm(vm_id)['TEMPLATE']['NIC']['MAC']}" in info
    assert links() == [f"one-{vm_id}-0"]
    assert left_of_containers()["mounts"] == [], "only the container has its disks mounted"
    assert guest.root.read_bytes() == guest.pristine
    host = api.hosts()[0]
    assert host["TEMPLATE"]["HYPERVISOR"] == "lxc"

    inside(vm_id, "/bin/touch", "/kept", "/media/1/kept")
    home.run("onevm", "poweroff", str(vm_id), "--wait")
    assert api.state(vm_id) == "POWEROFF"
    assert (domains(), links(), left_of_containers()) == ([], [], NOTHING)
    home.run("onevm", "resume", str(vm_id), "--wait")
    until_serving(api, address)
    assert inside(vm_id, "/bin/ls", "/kept", "/media/1/kept", "/media/1/started").split() == [
        "/kept",
        "/media/1/kept",
        "/media/1/started",
    ]

    home.run("onevm", "terminate", str(vm_id), "--wait")
    assert api.state(vm_id) == "DONE"
    assert (domains(), links(), left_of_containers(), files_of_vms(home)) == ([], [], NOTHING, [])


def test_root_of_a_container_is_nobody_on_its_host_unless_an_administrator_wants_it(
    home: Home, guest: Guest, api: Api
) -> None:
    ids = [created(home, template(guest, "plain")), created(home, template(guest, "other"))]
    ids.append(created(home, template(guest, "mighty", "LXC_UNPRIVILEGED = NO")))
    maps = [inside(vm_id, "/bin/cat", "/proc/self/uid_map").split() for vm_id in ids]
    assert [one[0] for one in maps] == ["0", "0", "0"]
    ranges = [range(int(first), int(first) + int(count)) for _, first, count in maps]
    assert 0 not in ranges[0] and 0 not in ranges[1] and ranges[2].start == 0
    assert not set(ranges[0]) & set(ranges[1]), "one container's users are none of another's"
    for vm_id in ids:
        assert inside(vm_id, "/bin/stat", "-c", "%u", "/bin/busybox").strip() == "0"
        assert inside(vm_id, "/bin/stat", "-c", "%u %a", "/context/context.sh").split() == ["0", "400"]
    for vm_id in ids:
        api.call("one.vm.action", "terminate-hard", vm_id)
        api.until_state(vm_id, "DONE")
    assert (domains(), left_of_containers(), files_of_vms(home)) == ([], NOTHING, [])


def test_what_containers_cannot_do_is_refused_with_the_reason_and_they_run_on(
    home: Home, guest: Guest, api: Api
) -> None:
    vm_id = created(home, template(guest, "fixed"))
    address = api.vm(vm_id)["TEMPLATE"]["NIC"]["IP"]
    until_serving(api, address)
    refused = {
        "suspend": "saves no memory",
        "reboot": "not rebooted in its place",
    }
    for action, why in refused.items():
        api.call("one.vm.action", action, vm_id)
        api.until(lambda why=why: why in home.run("onevm", "log", str(vm_id)).stdout, f"{action} is refused")
        api.until_state(vm_id, "RUNNING")
    api.call("one.vm.attach", vm_id, "DISK = [ TYPE = fs, FORMAT = ext4, SIZE = 16 ]")
    api.until(lambda: "mounted when it starts" in home.run("onevm", "log", str(vm_id)).stdout, "no disk comes")
    api.until_state(vm_id, "RUNNING")
    assert fetch(address).split() == ["fixed", f"{address}/24"]

    api.call("one.vm.attachnic", vm_id, 'NIC = [ NETWORK = "private" ]')
    api.until(lambda: len(links()) == 2, "a NIC comes")
    api.until_state(vm_id, "RUNNING")
    assert api.vm(vm_id)["TEMPLATE"]["NIC"][1]["MAC"] in inside(vm_id, "/bin/ip", "link")
    api.call("one.vm.detachnic", vm_id, 1)
    api.until(lambda: len(links()) == 1, "the NIC goes")
    api.until_state(vm_id, "RUNNING")
    api.call("one.vm.action", "terminate-hard", vm_id)
    api.until_state(vm_id, "DONE")


def test_any_program_can_be_the_first_and_is_told_to_end(home: Home, guest: Guest, api: Api) -> None:
    program = "trap 'sleep 1; exit 0' TERM; echo $WORD > /media/1/word; while :; do sleep 1; done"
    os = f'OS = [ INIT = /bin/sh, INIT_ARGS = "-c \\"{program}\\" first", INIT_ENV = "WORD=\'two words\'" ]'
    vm_id = created(home, template(guest, "app", os))
    assert inside(vm_id, "/bin/cat", "/proc/1/cmdline").split("\0")[:2] == ["/bin/sh", "-c"]
    assert inside(vm_id, "/bin/cat", "/media/1/word") == "two words\n"
    home.run("onevm", "poweroff", str(vm_id), "--wait")
    assert (domains(), left_of_containers()) == ([], NOTHING)
    api.call("one.vm.action", "terminate", vm_id)
    api.until_state(vm_id, "DONE")


def test_a_container_that_ends_by_itself_is_seen_and_one_that_is_paused_too(home: Home, guest: Guest, api: Api) -> None:
    vm_id = created(home, template(guest, "short"))
    domain = libvirt.open("lxc:///system").lookupByName(f"one-{vm_id}")
    domain.suspend()
    api.until_state(vm_id, "SUSPENDED")
    api.call("one.vm.action", "resume", vm_id)
    api.until_state(vm_id, "RUNNING")
    address = api.vm(vm_id)["TEMPLATE"]["NIC"]["IP"]
    until_serving(api, address)
    inside(vm_id, "/bin/kill", "-USR2", "1")
    api.until_state(vm_id, "POWEROFF")
    assert left_of_containers()["loops"] == []
    api.call("one.vm.action", "terminate", vm_id)
    api.until_state(vm_id, "DONE")
    assert (domains(), left_of_containers(), files_of_vms(home)) == ([], NOTHING, [])


def test_a_disk_that_is_no_file_system_fails_with_the_reason_and_leaves_nothing(
    home: Home, guest: Guest, api: Api
) -> None:
    text = template(guest, "odd").replace("type = fs, format = ext4", "type = fs, format = raw")
    vm_id = api.call("one.vm.allocate", text, False)
    api.until_state(vm_id, "BOOT_FAILURE")
    assert "wrong fs type" in api.vm(vm_id)["USER_TEMPLATE"]["ERROR"]
    assert (domains(), links(), left_of_containers()) == ([], [], NOTHING)
    api.call("one.vm.action", "terminate-hard", vm_id)
    api.until_state(vm_id, "DONE")
    assert (left_of_containers(), files_of_vms(home)) == (NOTHING, [])

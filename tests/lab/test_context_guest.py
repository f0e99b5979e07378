"""What a context brings arrives in a real guest: files, scripts, keys, addresses, and the seed for cloud-init.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import Guest
from tests.lab.guests import NETWORK, fetch, left_over, until_serving
from tests.system.home import Api, Home, engine

pytestmark = pytest.mark.timeout(300)

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleOnly me@home"
START_SCRIPT = """\
echo "start: it's $GREETING"
mkdir -p /tmp/seed
mount -t iso9660 -o ro "$(findfs LABEL=cidata)" /tmp/seed && grep -o '"local-hostname": .*' /tmp/seed/meta-data
(cd /tmp/seed && ls | sed 's/^/seed: /')
"""


@pytest.fixture
def home(tmp_path: Path, bridge: str) -> Iterator[Home]:
    """An engine with the libvirt drivers, under TCG."""
    with engine(tmp_path / "home", drivers="libvirt") as started:
        yield started


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Files for a context: a directory, scripts, and one called as the catalogue calls its files."""
    place = tmp_path / "files"
    (place / "tree" / "below").mkdir(parents=True)
    (place / "tree" / "below" / "a long-name.txt").write_text("deep")
    (place / "one.sh").write_text("echo one: $GREETING from $(pwd)\n")
    (place / ("0123456789abcdef" * 2)).write_text("#!/bin/sh\necho two: $0, $ETH0_IP\n")
    return place


def test_what_the_context_brings_arrives(home: Home, guest: Guest, files: Path) -> None:
    api = Api(home)
    api.monitored_host("localhost", "qemu", "qemu")
    api.call("one.vn.allocate", NETWORK, -1)
    stored = files / ("0123456789abcdef" * 2)
    template = f"""
NAME   = web1
CPU    = 1
MEMORY = 128
OS     = [ kernel = "{guest.kernel}", initrd = "{guest.initrd}", kernel_cmd = "console=ttyS0 quiet" ]
NIC    = [ network = "private", dns = "10.0.0.53", guest_mtu = "1400" ]
CONTEXT = [
  network = "YES", set_hostname = "web1", greeting = "hello",
  ssh_public_key = "{KEY}",
  files = "{files}/one.sh {files}/tree localhost:{stored}#two%20%23.sh",
  init_scripts = "one.sh nosuch.sh",
  eth0_alias0_ip = "10.0.0.77", eth0_alias0_mask = "255.255.0.0",
  eth0_ip6 = "2001:db8::1", eth0_ip6_prefix_length = "48",
  start_script_base64 = "{base64.b64encode((START_SCRIPT + "'/mnt/context/two #.sh'").encode()).decode()}" ]
"""
    done = home.run("onevm", "create", "-", "--wait", "RUNNING", text=template)
    vm_id = int(done.stdout.split("ID:")[1].split()[0])
    until_serving(api, "10.0.0.1")
    told = api.until(
        lambda: "guest: context DONE" in (page := fetch("10.0.0.1", "/cgi-bin/context")) and page.splitlines(),
        "the scripts of the context have run",
    )

    assert [line for line in told if line.startswith("file ")] == [
        "file /context.sh",
        "file /one.sh",
        "file /tree/below/a long-name.txt",
        "file /two #.sh",
    ]
    assert f"key {KEY}" in told
    for address in ("10.0.0.1/24", "10.0.0.77/16", "2001:db8::1/48"):
        assert f"address eth0 {address}" in told
    assert "dns nameserver 10.0.0.53" in told
    said = told[told.index("one: hello from /mnt/context") :]
    assert said == [
        "one: hello from /mnt/context",
        "guest: INIT_SCRIPTS: the context has no nosuch.sh",
        "start: it's hello",
        '"local-hostname": "web1",',
        "seed: meta-data",
        "seed: network-config",
        "seed: user-data",
        "seed: vendor-data",
        "two: /mnt/context/two #.sh, 10.0.0.1",
        "guest: context DONE",
    ]
    assert fetch("10.0.0.1").split()[0] == "web1"
    home.run("onevm", "terminate", str(vm_id), "--hard", "--wait")
    assert left_over(home) == {"domains": [], "taps": [], "files": []}


def test_without_a_context_the_address_is_in_the_mac(home: Home, guest: Guest) -> None:
    api = Api(home)
    api.monitored_host("localhost", "qemu", "qemu")
    api.call("one.vn.allocate", NETWORK, -1)
    template = f"""
NAME   = plain
CPU    = 1
MEMORY = 128
OS     = [ kernel = "{guest.kernel}", initrd = "{guest.initrd}", kernel_cmd = "console=ttyS0 quiet" ]
NIC    = [ network = "private", ip = "10.0.0.9" ]
"""
    vm_id = api.call("one.vm.allocate", template, False)
    api.until_state(vm_id, "RUNNING")
    until_serving(api, "10.0.0.9")
    assert fetch("10.0.0.9").split() == ["guest", "10.0.0.9/24"]
    told = fetch("10.0.0.9", "/cgi-bin/context").splitlines()
    assert "address eth0 10.0.0.9/24" in told
    assert "route default via 10.0.0.1 dev eth0 " in told
    api.call("one.vm.action", "terminate-hard", vm_id)
    api.until_state(vm_id, "DONE")
    assert left_over(home) == {"domains": [], "taps": [], "files": []}

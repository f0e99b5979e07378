"""Bad input of every kind: a clear error, and nothing lost or leaked."""

import http.client
from pathlib import Path

import pytest

from tests.system.home import Api, Home
from trifid.client import ApiError

NETWORK = 'NAME="{}"\nTYPE=FIXED\nBRIDGE=br0\nLEASES=[IP=10.0.0.1]\nLEASES=[IP=10.0.0.2]'


def post(home: Home, body: bytes) -> tuple[int, bytes]:
    """Send a body as it is and return status and answer."""
    connection = http.client.HTTPConnection("127.0.0.1", home.port, timeout=30)
    try:
        connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def nothing_was_made(api: Api) -> None:
    """Check that no VM exists and no lease is taken."""
    assert "<VM>" not in api.call("one.vmpool.info", -2, -1, -1, -2)
    assert "<USED_LEASES>0</USED_LEASES>" in api.call("one.vnpool.info", -2, -1, -1) or "<VNET>" not in api.call(
        "one.vnpool.info", -2, -1, -1
    )


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ('NAME = x\nCPU = 1\nNIC = [ NETWORK = "lan"\nMEMORY = 64', "line 4 column 1"),
        ('CPU = 1\nMEMORY = 64\nNIC = [ NETWORK = "nowhere" ]', "nowhere"),
        ("CPU = 1\nMEMORY = 64\nNIC = [ NETWORK_ID = 77 ]", "Virtual network with ID: 77 does not exist"),
        ("CPU = many\nMEMORY = 64", "CPU attribute must be a positive float or integer value"),
        ("CPU = 1\nMEMORY = 64\nDISK = [ TYPE = swap ]", "DISK 0: SIZE attribute must be a positive integer value"),
        ("CPU = 1\nMEMORY = 64\nDISK = [ TARGET = sda ]", "name an IMAGE or a file with SOURCE"),
        ('CPU = 1\nMEMORY = 64\nREQUIREMENTS = "CPUSPEED >"', "REQUIREMENTS"),
        ("CPU = 1\nMEMORY = 64\nNIC = [ IP = 10.0.0.77 ]", "NIC 0: it is connected to nothing: name a NETWORK"),
        ("CPU = 1\nMEMORY = 64\nDISK = [ SOURCE = /i, TARGET = zzz ]", "DISK 0: TARGET must be a device name like"),
        ("CPU = 1\nMEMORY = 64\nDISK = [ SOURCE = /i, FORMAT = foofs ]", "DISK 0: FORMAT must be one of raw, qcow2"),
        ("CPU = 1\nMEMORY = 64\nOS = [ ARCH = sparc ]", "OS: ARCH must be one of x86_64, i686"),
        ("CPU = 1\nMEMORY = 512M", 'MEMORY attribute must be a positive integer value. It is "512M": expected'),
        ("CPU = 1\nMEMORY = 64\nDISK = [ SORCE = /x ]", "SORCE is not known here, did you mean SOURCE?"),
    ],
)
def test_a_template_that_cannot_be_run_is_refused_and_takes_nothing(api: Api, template: str, said: str) -> None:
    api.call("one.vn.allocate", NETWORK.format("lan"), -1)
    with pytest.raises(ApiError) as refused:
        api.call("one.vm.allocate", template, False)
    assert said in refused.value.message
    nothing_was_made(api)


def test_when_addresses_run_out_the_vm_is_refused_and_earlier_nics_give_theirs_back(api: Api) -> None:
    api.call("one.vn.allocate", NETWORK.format("lan"), -1)
    three = "CPU=1\nMEMORY=64\n" + 'NIC=[NETWORK="lan"]\n' * 3
    with pytest.raises(ApiError, match="NIC 2"):
        api.call("one.vm.allocate", three, True)
    nothing_was_made(api)
    vm_id = api.call("one.vm.allocate", three.replace('NIC=[NETWORK="lan"]\n', "", 1), True)
    with pytest.raises(ApiError, match=r"10\.0\.0\.1"):
        api.call("one.vm.allocate", 'CPU=1\nMEMORY=64\nNIC=[NETWORK="lan",IP=10.0.0.1]', True)
    api.call("one.vm.action", "terminate", vm_id)
    assert api.call("one.vm.allocate", three.replace('NIC=[NETWORK="lan"]\n', "", 1), True) == vm_id + 1


def test_the_wrong_password_is_told_without_saying_what_is_wrong(home: Home) -> None:
    (home.path / "other_auth").write_text("oneadmin:guess")
    done = home.run("onevm", "list", status=None)
    assert done.returncode == 0
    from trifid.client import Client

    client = Client(f"http://127.0.0.1:{home.port}/RPC2", "oneadmin:guess")
    with pytest.raises(ApiError) as refused:
        client.call("one.vmpool.info", -2, -1, -1, -1)
    assert refused.value.code == 0x0100
    assert refused.value.message == "[one.vmpool.info] User couldn't be authenticated, aborting call."
    assert "guess" not in (home.path / "log" / "trifidd.log").read_text()


def test_a_call_of_10_mb_is_refused_and_the_engine_goes_on(home: Home, api: Api) -> None:
    status, said = post(home, b"<methodCall>" + b"x" * 10_000_000)
    assert status == 413
    assert b"must not be larger" in said
    assert api.call("one.system.version")


def test_a_billion_laughs_are_not_expanded(home: Home, api: Api) -> None:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    laughs = (
        f'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY l0 "lol">{entities}]>'
        "<methodCall><methodName>one.system.version</methodName><params><param><value>&l9;</value></param></params>"
        "</methodCall>"
    )
    status, said = post(home, laughs.encode())
    assert status == 200
    assert b"faultCode" in said and b"document type" in said
    with pytest.raises(ApiError, match="document type"):
        api.call("one.vm.allocate", laughs, True)


def test_a_host_whose_driver_is_missing_says_so(stopped: Home) -> None:
    stopped.settings('executable = "trifid-im-dummy"', 'executable = "trifid-im-nowhere"')
    stopped.start()
    api = Api(stopped)
    host_id = api.call("one.host.allocate", "node1", "dummy", "dummy", -1)
    host = api.until(lambda: next((h for h in api.hosts() if h["STATE"] == "3"), None), "the host is in error")
    assert host["ID"] == str(host_id)
    assert "trifid-im-nowhere not found" in host["TEMPLATE"]["ERROR"]
    assert "trifid-im-nowhere not found" in stopped.run("trifid", "status", "--json").stdout


def test_a_driver_that_talks_garbage_fails_the_vm_and_not_the_engine(stopped: Home) -> None:
    drivers = stopped.path / "drivers"
    drivers.mkdir(exist_ok=True)
    garbage = drivers / "trifid-vmm-garbage"
    garbage.write_text(
        "#!/bin/sh\nread init\nprintf 'INIT SUCCESS\\n'\nwhile read line; do printf '\\001\\377 what?\\n'; done\n"
    )
    garbage.chmod(0o755)
    stopped.settings('executable = "trifid-vmm-dummy"', 'executable = "trifid-vmm-garbage"\ntimeout_s = 2')
    stopped.start()
    api = Api(stopped)
    host_id = api.monitored_host("node1")
    vm_id = api.call("one.vm.allocate", "CPU=1\nMEMORY=64", True)
    api.call("one.vm.deploy", vm_id, host_id)
    api.until_state(vm_id, "BOOT_FAILURE")
    assert "did not answer DEPLOY within 2 s" in api.vm(vm_id)["USER_TEMPLATE"]["ERROR"]
    assert "said garbage" in (stopped.path / "log" / "trifidd.log").read_text()


def _with_shared_transfer(stopped: Home) -> None:
    stopped.settings('executable = "trifid-tm-dummy"', 'executable = "trifid-tm-shared"')


def test_a_missing_image_fails_the_prolog_and_can_be_retried_or_deleted(stopped: Home, tmp_path: Path) -> None:
    _with_shared_transfer(stopped)
    stopped.start()
    api = Api(stopped)
    host_id = api.monitored_host("node1")
    image = tmp_path / "etch.img"
    text = f'NAME=x\nCPU=1\nMEMORY=64\nDISK=[SOURCE="{image}",TARGET=sda]'
    vm_id, other = (api.call("one.vm.allocate", text, True) for _ in range(2))
    for one in (vm_id, other):
        api.call("one.vm.deploy", one, host_id)
        api.until_state(one, "PROLOG_FAILURE")
    assert str(image) in api.vm(vm_id)["USER_TEMPLATE"]["ERROR"]

    image.write_bytes(b"disk" * 1000)
    api.call("one.vm.recover", vm_id, 2)
    api.until_state(vm_id, "RUNNING")
    assert "ERROR" not in (api.vm(vm_id)["USER_TEMPLATE"] or {})
    api.call("one.vm.recover", other, 3)
    api.until_state(other, "DONE")
    api.call("one.vm.action", "terminate", vm_id)
    api.until_state(vm_id, "DONE")
    left = [str(p) for p in (stopped.path / "datastores").rglob("*") if p.is_file()]
    left += [str(p) for p in (stopped.path / "vms").rglob("*")]
    assert left == []
    assert image.read_bytes() == b"disk" * 1000


def test_a_full_disk_fails_the_prolog_and_leaves_no_partial_file(
    stopped: Home, small_disk: Path, tmp_path: Path
) -> None:
    _with_shared_transfer(stopped)
    stopped.settings('#datastore_location = "datastores"', f'datastore_location = "{small_disk}"')
    stopped.start()
    api = Api(stopped)
    host_id = api.monitored_host("node1")
    image = tmp_path / "big.img"
    image.write_bytes(b"\xa5" * (8 << 20))
    vm_id = api.call("one.vm.allocate", f'CPU=1\nMEMORY=64\nDISK=[SOURCE="{image}",TARGET=sda]', True)
    api.call("one.vm.deploy", vm_id, host_id)
    api.until_state(vm_id, "PROLOG_FAILURE")
    told = api.vm(vm_id)["USER_TEMPLATE"]["ERROR"]
    assert "free in" in told and "disk.0" in told
    assert [p for p in small_disk.rglob("*") if p.is_file()] == []
    api.call("one.vm.recover", vm_id, 3)
    api.until_state(vm_id, "DONE")

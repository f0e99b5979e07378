"""Hundreds of VMs through the scheduler, as the seed promised."""

from tests.system.home import Api
from trifid.wire.elements import iter_elements

VMS, HOSTS = 300, 30


def test_300_vms_reach_running_on_30_hosts_through_the_scheduler(api: Api) -> None:
    for n in range(HOSTS):
        api.call("one.host.allocate", f"node{n}", "dummy", "dummy", -1)
    api.call("one.vn.allocate", 'NAME="lan"\nTYPE=RANGED\nBRIDGE=br0\nNETWORK_SIZE=500\nNETWORK_ADDRESS=10.0.0.0', -1)
    for n in range(VMS):
        api.call("one.vm.allocate", f'NAME=vm{n}\nCPU=1\nMEMORY=256\nNIC=[NETWORK="lan"]', False)

    def running() -> list[dict]:
        return [vm for vm in api_vms() if (vm["STATE"], vm["LCM_STATE"]) == ("3", "3")]

    def api_vms() -> list[dict]:
        return list(iter_elements(api.call("one.vmpool.info", -2, -1, -1, -1), "VM"))

    api.until(lambda: len(running()) == VMS, f"{VMS} VMs run", timeout_s=90)
    on = [vm["HISTORY_RECORDS"]["HISTORY"]["HID"] for vm in running()]
    shares = {host["ID"]: int(host["HOST_SHARE"]["RUNNING_VMS"]) for host in api.hosts()}
    assert shares == {host_id: on.count(host_id) for host_id in shares}
    assert max(shares.values()) - min(shares.values()) <= 2, "striping spreads them"
    addresses = {vm["TEMPLATE"]["NIC"]["IP"] for vm in running()}
    assert len(addresses) == VMS, "no address is given twice"

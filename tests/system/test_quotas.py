"""Quotas and accounting on a real engine, over HTTP."""

import threading
from concurrent.futures import ThreadPoolExecutor

from tests.system.home import Api, CheckedClient, Home
from tests.wire.schemas import valid
from trifid.client import ApiError
from trifid.wire.elements import iter_elements, one_element, several

LIMIT, CALLS = 100, 200


def test_of_200_parallel_creates_at_a_limit_of_100_exactly_100_succeed(home: Home, api: Api) -> None:
    user_id = api.call("one.user.allocate", "alice", "secret", "", [])
    api.call("one.user.quota", user_id, f"VM=[VMS={LIMIT},RUNNING_VMS=-2]")
    endpoint, session = f"http://127.0.0.1:{home.port}/RPC2", "alice:secret"
    at_once = threading.Barrier(CALLS)

    def create(_: int) -> tuple[int, str]:
        client = CheckedClient(endpoint, session)
        client.call("one.system.version")  # a connection is there, and the session is known
        at_once.wait(60)
        try:
            return client.call("one.vm.allocate", "CPU=0.1\nMEMORY=1", True), ""
        except ApiError as refused:
            return -1, f"{refused.code:#x} {refused}"
        finally:
            client.close()

    with ThreadPoolExecutor(CALLS) as pool:
        outcomes = list(pool.map(create, range(CALLS)))
    made = [vm_id for vm_id, _ in outcomes if vm_id >= 0]
    assert len(made) == len(set(made)) == LIMIT
    refusals = {why for vm_id, why in outcomes if vm_id < 0}
    (text,) = refusals
    assert text.startswith("0x200 ")
    assert f"user [{user_id}] limit of {LIMIT} reached for VMS quota in VM." in text
    user = one_element(api.call("one.user.info", user_id), "USER")
    assert user["VM_QUOTA"]["VM"]["VMS_USED"] == str(LIMIT)
    assert len(list(iter_elements(api.call("one.vmpool.info", user_id, -1, -1, -1), "VM"))) == LIMIT


def test_what_is_used_is_the_same_after_the_engine_was_killed(home: Home, api: Api) -> None:
    user_id = api.call("one.user.allocate", "alice", "secret", "", [])
    alice = CheckedClient(f"http://127.0.0.1:{home.port}/RPC2", "alice:secret")
    alice.call("one.vm.allocate", "CPU=1.5\nMEMORY=64\nDISK=[TYPE=fs,SIZE=10]", True)
    alice.call("one.image.allocate", "NAME=data\nTYPE=DATABLOCK\nSIZE=5", 1)
    api.call("one.user.quota", user_id, "VM=[VMS=1,CPU=-2]\nDATASTORE=[ID=1,IMAGES=1]")
    before = api.call("one.user.info", user_id)
    home.kill()
    home.start()
    assert Api(home).call("one.user.info", user_id) == before


def test_a_vm_that_ran_and_ended_is_accounted_for(home: Home, api: Api) -> None:
    host_id = api.monitored_host("node1")
    vm_id = api.call("one.vm.allocate", "CPU=0.1\nMEMORY=16\nCPU_COST=3600", False)
    api.until_state(vm_id, "RUNNING")
    api.call("one.vm.action", "terminate-hard", vm_id)
    api.until_state(vm_id, "DONE")
    records = valid(api.call("one.vmpool.accounting", -2, -1, -1), "acct")
    (stay,) = [one for one in records if one.findtext("OID") == str(vm_id)]
    assert (stay.findtext("HID"), stay.findtext("VM/STATE")) == (str(host_id), "6")
    assert int(stay.findtext("STIME") or 0) <= int(stay.findtext("ETIME") or 0)
    assert api.call("one.vmpool.calculateshowback", -1, -1, -1, -1) == " "
    shown = list(iter_elements(api.call("one.vmpool.showback", -2, -1, -1, -1, -1), "SHOWBACK"))
    assert len(several(shown)) <= 2  # over the end of a month there are two
    assert all(float(one["TOTAL_COST"]) == float(one["CPU_COST"]) for one in shown)

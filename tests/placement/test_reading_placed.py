from tests.scheduler.builders import vm_xml
from trifid.placement.reading import waiting_vms
from trifid.placement.reading_placed import placed_vms
from trifid.placement.view import Lease, LeaseMark

HAIZEA = "<HAIZEA><START>+01:00:00</START><DURATION>02:00:00</DURATION></HAIZEA>"
MARK = "<SCHED_LEASE><STATE>accepted</STATE><HOST_ID>3</HOST_ID><START>100</START><END>200</END></SCHED_LEASE>"


def stay(host_id, stime, rstime=0, retime=0):
    times = f"<STIME>{stime}</STIME><RSTIME>{rstime}</RSTIME><RETIME>{retime}</RETIME>"
    return f"<HISTORY><HID>{host_id}</HID>{times}</HISTORY>"


def with_user(document, more):
    return document.replace("<USER_TEMPLATE>", f"<USER_TEMPLATE>{more}")


def test_vms_on_hosts_and_suspended_ones_are_read_and_no_others():
    states = {1: 3, 2: 5, 3: 8, 4: 1}
    pool = "".join(vm_xml(vm_id, state=state, history=stay(7, 1)) for vm_id, state in states.items())
    assert [(vm.id, vm.host_id) for vm in placed_vms(f"<P>{pool}</P>")] == [(1, 7), (2, 7)]
    assert [vm.id for vm in placed_vms(f"<P>{pool}</P>", (8,))] == [3]


def test_how_long_it_has_run_is_summed_over_its_stays():
    history = stay(1, 10, 20, 50) + stay(2, 50, 55, 100) + stay(2, 200, 210)
    (vm,) = placed_vms(vm_xml(5, state=3, lcm_state=3, history=history))
    assert (vm.since, vm.here_since, vm.runs_since, vm.ran_s) == (10, 50, 210, 75)


def test_one_that_was_saved_does_not_run():
    (vm,) = placed_vms(vm_xml(5, state=5, history=stay(1, 10, 20, 50)))
    assert (vm.runs_since, vm.ran_s) == (0, 30)


def test_a_lease_and_what_was_decided_about_it_are_read_from_waiting_and_from_placed_vms():
    lease = Lease("+01:00:00", "02:00:00", "", LeaseMark("accepted", 3, 100, 200))
    (waiting,) = waiting_vms(with_user(vm_xml(5), HAIZEA + MARK))
    (placed,) = placed_vms(with_user(vm_xml(5, state=3, history=stay(1, 10)), HAIZEA + MARK))
    assert waiting.lease == placed.lease == lease


def test_a_vm_without_haizea_has_no_lease():
    (vm,) = waiting_vms(with_user(vm_xml(5), MARK))
    assert vm.lease is None

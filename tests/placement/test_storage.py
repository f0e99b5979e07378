"""Into which system datastore a VM goes, and what it is told when there is none for it."""

import pytest

from tests.scheduler.builders import datastore_xml, history_xml, host_xml, vm_xml
from trifid.placement.place import place
from trifid.placement.reading import datastores, hosts, waiting_vms
from trifid.placement.storage import POLICIES
from trifid.placement.view import View

VOLATILE = {"TYPE": "FS", "SIZE": "100"}
CLONE = {"TYPE": "DISK", "CLONE": "YES", "SIZE": "100", "IMAGE_ID": "3", "DATASTORE_ID": "1"}
PERSISTENT = {"TYPE": "DISK", "CLONE": "NO", "SIZE": "100", "IMAGE_ID": "4", "DATASTORE_ID": "1"}
STOPPED = 9
RECREATED = 14


def ids(builder, all_of, begin=0):
    return "".join(builder(one.pop("id", n), **one) for n, one in enumerate(map(dict, all_of), start=begin))


def plan(vms, stores, machines=({},), policy="striping", images_by="fs"):
    """A plan; datastore 1 holds images, the system datastores have the ids 0, 100, 101 …"""
    numbered = [{"id": 99 + n if n else 0, **one} for n, one in enumerate(stores)]
    text = ids(datastore_xml, numbered) + datastore_xml(1, kind=0, ds_mad=images_by)
    seen = View(
        tuple(waiting_vms(f"<P>{ids(vm_xml, vms)}</P>")),
        tuple(hosts(f"<P>{ids(host_xml, machines)}</P>")),
        tuple(datastores(f"<P>{text}</P>")),
    )
    return place(seen, "striping", policy)


def chosen(*arguments, **more):
    """VM id to datastore id."""
    return {vm_id: datastore_id for vm_id, _, datastore_id in plan(*arguments, **more).placements}


def reason(vm, stores, machines=({},), **more):
    return plan([vm], stores, machines, **more).refusals[0]


def room(free, total=1000):
    return {"total": total, "free": free}


def test_the_datastore_with_most_room_is_taken_unless_the_policy_is_another():
    stores = [{**room(300), "PRIORITY": "1"}, {**room(900), "PRIORITY": "2"}, {**room(500), "PRIORITY": "3"}]
    assert [chosen([{}], stores, policy=policy)[0] for policy in sorted(POLICIES)] == [101, 0, 100]


def test_equally_good_datastores_are_taken_in_the_order_of_their_ids():
    assert chosen([{}], [room(5), room(5)]) == {0: 0}


def test_vms_placed_in_one_plan_see_what_the_others_took():
    assert chosen([{"disks": [VOLATILE]}] * 4, [room(500), room(450)]) == {0: 0, 1: 100, 2: 0, 3: 100}


def test_a_full_datastore_is_passed_over_and_its_room_told_when_there_is_no_other():
    vms = [{"disks": [VOLATILE]}] * 3
    result = plan(vms, [room(150), room(110)])
    assert [datastore_id for *_, datastore_id in result.placements] == [0, 100]
    assert result.refusals == {2: "No system datastore with enough room: needs 100 MiB, ds0 [0] has 50 free"}


def test_a_vm_that_needs_no_room_goes_into_a_full_datastore():
    assert chosen([{}, {"disks": [PERSISTENT]}], [room(0)]) == {0: 0, 1: 0}


@pytest.mark.parametrize(("tm", "placed"), [("shared", 2), ("qcow2", 3)])
def test_clones_take_room_where_they_are_copies(tm, placed):
    assert len(chosen([{"disks": [CLONE]}] * 3, [{**room(250), "tm": tm}])) == placed


def test_a_datastore_whose_room_was_never_told_takes_everything():
    assert chosen([{"disks": [{**VOLATILE, "SIZE": "99999999"}]}], [{}]) == {0: 0}


def test_room_promised_to_vms_on_their_way_is_not_promised_again():
    assert chosen([{"disks": [VOLATILE]}], [{**room(300), "PROMISED_MB": "250"}, room(120)]) == {0: 100}


def test_small_vms_fit_behind_large_ones():
    large = {"disks": [{**VOLATILE, "SIZE": "800"}]}
    assert chosen([large, large, {"disks": [VOLATILE]}], [room(1000)]) == {0: 0, 2: 0}


# -- what users ask -----------------------------------------------------------------------------------


def test_a_requirement_and_a_rank_of_the_vm_choose_among_datastores():
    stores = [{"SPEED": "1"}, {"SPEED": "9"}, {"SPEED": "5"}]
    assert chosen([{"SCHED_DS_RANK": "SPEED"}], stores) == {0: 100}
    assert chosen([{"SCHED_DS_REQUIREMENTS": "SPEED > 1", "SCHED_DS_RANK": "- SPEED"}], stores) == {0: 101}
    assert chosen([{"SCHED_DS_REQUIREMENTS": 'NAME = "ds10*"'}], stores) == {0: 100}
    assert chosen([{"SCHED_DS_REQUIREMENTS": '"CLUSTERS/ID" @> 0 & ID = 101'}], stores) == {0: 101}


def test_a_requirement_on_the_room_sees_the_plan_itself():
    vms = [{"disks": [VOLATILE], "SCHED_DS_REQUIREMENTS": "FREE_MB > 150"}] * 3
    result = plan(vms, [room(300)])
    assert len(result.placements) == 2
    assert result.refusals[2] == "No system datastore has the room that SCHED_DS_REQUIREMENTS asks: FREE_MB > 150"


def test_wrong_expressions_are_told_of_and_only_a_requirement_keeps_the_vm_waiting():
    result = plan([{"SCHED_DS_REQUIREMENTS": "A >"}, {"SCHED_DS_RANK": "A +", "SCHED_RANK": "B +"}], [{}])
    assert result.refusals[0].startswith("Error in SCHED_DS_REQUIREMENTS: 'A >', error: ")
    assert [vm_id for vm_id, *_ in result.placements] == [1]
    assert "Error in SCHED_RANK: 'B +'" in result.warnings[1]
    assert "Error in SCHED_DS_RANK: 'A +'" in result.warnings[1]
    assert result.warnings[1].endswith("all datastores rank 0")


def test_the_reason_names_every_datastore_that_does_not_do():
    stores = [{"state": 1}, {"name": "nfs"}, {"clusters": (7,)}]
    assert reason({"SCHED_DS_REQUIREMENTS": "SPEED = 4"}, stores) == (
        'No system datastore meets SCHED_DS_REQUIREMENTS: ds0 [0] is DISABLED: "onedatastore enable 0"; '
        "nfs [100] does not match the expression SPEED = 4; ds101 [101] is not of the cluster of host host0"
    )
    many = reason({"SCHED_DS_REQUIREMENTS": "SPEED = 4"}, [{}] * 8)
    assert many.endswith("; and 3 more")


def test_without_a_system_datastore_the_reason_says_what_to_do():
    assert 'there is none, add one with "onedatastore create"' in reason({}, [])


def test_without_a_host_the_reason_is_the_host():
    assert "there is no host" in reason({}, [], machines=[])


# -- what fits together -------------------------------------------------------------------------------


def test_images_of_volumes_and_of_files_go_into_datastores_of_their_kind():
    stores = [{"tm": "shared"}, {"tm": "lvm"}]
    assert chosen([{"disks": [CLONE]}], stores) == {0: 0}
    assert chosen([{"disks": [CLONE]}], stores, images_by="lvm") == {0: 100}


def test_a_host_is_taken_whose_cluster_has_a_datastore():
    result = plan([{}], [{"clusters": (5,)}], machines=[{}, {"cluster_id": 5, "vms": (7, 8)}])
    assert result.placements == [(0, 1, 0)]


def test_a_host_without_a_datastore_for_the_vm_is_no_better_for_its_room():
    machines = [{}, {"cluster_id": 5, "cpu": 10}]
    told = reason({}, [{"clusters": (5,), "name": "far"}], machines)
    assert told == ("No system datastore meets SCHED_DS_REQUIREMENTS: far [0] is not of the cluster of host host0")


# -- datastores of each host's own --------------------------------------------------------------------


def test_an_unshared_datastore_has_the_room_of_the_host():
    machines = [{"max_disk": 900, "free_disk": 50}, {"max_disk": 900, "free_disk": 250, "disk_usage": 40}]
    result = plan([{"disks": [CLONE]}, {"disks": [PERSISTENT]}, {"disks": [VOLATILE]}], [{"tm": "ssh"}], machines)
    assert result.placements == [(0, 1, 0), (1, 1, 0)]
    assert result.refusals == {
        2: "No system datastore with enough room: needs 100 MiB, ds0 [0] on host host0 has 50 free"
    }


def test_all_unshared_datastores_of_a_host_share_its_room():
    machine = {"max_disk": 900, "free_disk": 150}
    vms = [{"disks": [VOLATILE], "SCHED_DS_REQUIREMENTS": f"ID = {number}"} for number in (0, 100)]
    assert chosen(vms, [{"tm": "ssh"}, {"tm": "ssh"}], [machine]) == {0: 0}


def test_a_host_that_tells_no_room_takes_everything():
    assert chosen([{"disks": [CLONE]}], [{"tm": "ssh", **room(0)}]) == {0: 0}


# -- VMs that have files ------------------------------------------------------------------------------


def moving(datastore_id=100, tm="shared", **more):
    history = history_xml(0, datastore_id=datastore_id, tm=tm)
    return {"state": 3, "lcm_state": 3, "resched": 1, "history": history, "disks": [CLONE], **more}


def test_a_vm_that_moves_stays_in_its_datastore_which_needs_no_more_room_for_it():
    assert chosen([moving()], [room(900), {**room(0), "state": 1}], [{}, {}]) == {0: 100}


def test_a_vm_that_moves_leaves_a_datastore_that_its_owner_does_not_want_any_more():
    assert chosen([moving(SCHED_DS_REQUIREMENTS="ID != 100")], [room(900), room(900)], [{}, {}]) == {0: 0}


def test_files_go_to_no_datastore_of_another_transfer_driver():
    told = reason(moving(), [{"tm": "qcow2"}], [{}, {}])
    assert "is served by transfer driver qcow2, the VM's files by shared: they cannot move" in told


@pytest.mark.parametrize(("action", "where"), [(STOPPED, {0: 100}), (RECREATED, {0: 0})])
def test_a_stopped_vm_goes_where_its_files_are_and_one_that_begins_anew_anywhere(action, where):
    vm = {"history": history_xml(0, datastore_id=100, action=action), "disks": [VOLATILE]}
    assert chosen([vm], [room(900), room(500)]) == where

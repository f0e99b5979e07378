"""trifid.placement.dry_run: what would become of VMs, checked as in earnest, and nothing done."""

import asyncio
import json

import pytest
from msgspec.structs import replace

from tests.methods.test_explain import host
from tests.methods.world import (
    ADMIN,
    ALICE,
    BOB,
    HOST_ID,
    IMAGE_ID,
    NETWORK_ID,
    STAY,
    TEMPLATE_ID,
    VM_ID,
    VM_OF_ALICE,
    Refusal,
)
from trifid.core.access import Permissions
from trifid.core.host import HostState
from trifid.core.template.model import template
from trifid.core.template.scanner import parse
from trifid.core.vm.record import Needs
from trifid.core.vm.states import VmState
from trifid.core.vm_group.define import defined
from trifid.core.vm_group.record import VmGroup
from trifid.methods import dry_run
from trifid.placement import trial

SECOND_ID, THIRD_ID, OTHER_VM_ID = 9, 10, 8
SMALL, LARGE = "CPU=1\nMEMORY=1024", "CPU=1\nMEMORY=3000"


@pytest.fixture
async def two_hosts(world):
    """node1 and node2 have room for 4 and 2 GiB; alice's VM, of 64 MiB, runs on node1."""
    await world.put(host(HOST_ID, "node1", memory_mib=4096 + 64), host(SECOND_ID, "node2", memory_mib=2048))
    return world


async def tried(world, *items, session=ADMIN):
    return json.loads(await world.ask(session, "trifid.placement.dry_run", json.dumps({"vms": list(items)})))


def places(answer):
    return [one["host"] for one in answer["results"]]


async def one(world, **item):
    (result,) = (await tried(world, item))["results"]
    return result


async def test_a_batch_is_tried_together_and_what_does_not_fit_is_told_what_would_help(two_hosts):
    answer = await tried(two_hosts, {"template": SMALL, "count": 7, "what": "small.vm"}, {"template": LARGE})
    assert (answer["asked"], answer["fitting"]) == (8, 6)
    assert sorted(places(answer)) == ["", "", "node1", "node1", "node1", "node1", "node2", "node2"]
    assert answer["text"] == (
        "6 of 8 would fit; 1 would not: with 1024 MiB more of memory free there it would fit on node1; "
        "1 would not: with 3000 MiB more of memory free there it would fit on node1"
    )
    assert {one["what"] for one in answer["results"]} == {"small.vm", "template"}


async def test_nothing_is_changed_by_trying(two_hosts):
    await two_hosts.open_network()
    memory = two_hosts.memory
    before = (memory.journal_id, dict(memory.vms), dict(memory.leases), dict(memory.counters), dict(memory.shares))
    written = len(two_hosts.store.commits)
    nic = f"{SMALL}\nNIC=[NETWORK_ID={NETWORK_ID}]"
    answer = await tried(
        two_hosts,
        {"template": nic, "count": 2},
        {"template_id": TEMPLATE_ID},
        {"vm": VM_ID, "action": "migrate", "host": SECOND_ID},
    )
    assert answer["fitting"] == 4
    after = (memory.journal_id, dict(memory.vms), dict(memory.leases), dict(memory.counters), dict(memory.shares))
    assert after == before
    assert len(two_hosts.store.commits) == written
    assert (await one(two_hosts, template=nic))["fits"], "addresses that were tried are free again"


async def test_leases_run_out_within_a_batch_as_in_earnest(two_hosts):
    await two_hosts.open_network()
    answer = await tried(two_hosts, {"template": f"CPU=0.1\nMEMORY=1\nNIC=[NETWORK_ID={NETWORK_ID}]", "count": 12})
    assert (answer["asked"], answer["fitting"]) == (12, 10)
    with pytest.raises(Refusal) as refused:
        for _ in range(12):
            await two_hosts.ask(ADMIN, "one.vm.allocate", f"CPU=0.1\nMEMORY=1\nNIC=[NETWORK_ID={NETWORK_ID}]")
    assert answer["results"][-1]["why"] == refused.value.text.partition("] ")[2]


@pytest.mark.parametrize("text", ["CPU=none\nMEMORY=1", "CPU=1\nMEMORY=1\nNIC=[NETWORK_ID=99]", "CPU=[", "MEMORY=-1"])
async def test_a_template_that_would_be_refused_is_told_in_the_same_words(two_hosts, text):
    with pytest.raises(Refusal) as refused:
        await two_hosts.ask(ADMIN, "one.vm.allocate", text)
    result = await one(two_hosts, template=text)
    assert (result["fits"], result["host_id"]) == (False, -1)
    assert result["why"].partition(" [")[0] in refused.value.text


async def test_what_only_administrators_may_ask_is_refused_as_in_earnest(two_hosts):
    text = f"{SMALL}\nUSER_PRIORITY=9"
    (result,) = (await tried(two_hosts, {"template": text}, session=ALICE))["results"]
    assert "restricted attribute USER_PRIORITY" in result["why"]


async def test_a_persistent_image_is_given_to_one_vm_of_a_batch_only(two_hosts):
    await two_hosts.change("images", IMAGE_ID, is_persistent=True)
    answer = await tried(two_hosts, {"template": f"{SMALL}\nDISK=[IMAGE_ID={IMAGE_ID}]", "count": 2}, session=ALICE)
    assert [one["fits"] for one in answer["results"]] == [True, False]
    assert answer["results"][1]["why"]


async def test_vms_of_a_kept_template_are_what_it_and_the_extra_attributes_say(two_hosts):
    assert (await one(two_hosts, template_id=TEMPLATE_ID))["fits"]
    result = await one(two_hosts, template_id=TEMPLATE_ID, extra="MEMORY=5000")
    assert result["change"] == "with 904 MiB less memory it would fit on node1"
    answer = await tried(two_hosts, {"template_id": TEMPLATE_ID, "extra": "USER_PRIORITY=9"}, session=ALICE)
    assert "USER_PRIORITY" in answer["results"][0]["why"]


async def test_vms_that_wait_already_are_served_first(two_hosts):
    waiting = replace(VM_OF_ALICE, id=OTHER_VM_ID, state=VmState.PENDING, history=(), needs=Needs(100, 3500))
    await two_hosts.put(replace(waiting, template=template(CPU="1", MEMORY="3500")))
    result = await one(two_hosts, template=LARGE)
    assert (result["fits"], result["change"]) == (False, "with 952 MiB less memory it would fit on node2")


async def test_vms_of_a_group_are_tried_by_its_rules(two_hosts):
    roles = parse('ROLE = [ NAME = "a", POLICY = "ANTI_AFFINED" ]')
    await two_hosts.put(defined(VmGroup(7, 0, 0, "app"), roles))
    answer = await tried(two_hosts, {"template": f'{SMALL}\nVMGROUP=[VMGROUP_ID=7,ROLE="a"]', "count": 3})
    assert sorted(places(answer)) == ["", "node1", "node2"]
    (left,) = [one for one in answer["results"] if not one["fits"]]
    assert left["change"] == "if VM group app [7] allowed that host it would fit on node1"


# -- VMs that are there ------------------------------------------------------------------------------


@pytest.fixture
async def waiting(two_hosts):
    """A second VM, of 3 GiB, waits for xen, which no host has."""
    vm = replace(VM_OF_ALICE, id=OTHER_VM_ID, name="db", state=VmState.PENDING, history=(), needs=Needs(100, 3072))
    asks = template(SCHED_REQUIREMENTS='HYPERVISOR = "xen"')
    await two_hosts.put(replace(vm, template=template(CPU="1", MEMORY="3072"), user_template=asks))
    return two_hosts


async def test_a_deployment_is_tried_and_what_the_scheduler_would_ask_is_a_note(waiting):
    result = await one(waiting, vm=OTHER_VM_ID, action="deploy", host=HOST_ID)
    assert (result["fits"], result["host"], result["datastore_id"]) == (True, "node1", 0)
    assert result["notes"] == ['requirement: HYPERVISOR = "xen": the host has no HYPERVISOR']


async def test_a_deployment_without_room_does_not_fit_though_it_would_be_done(waiting):
    result = await one(waiting, vm=OTHER_VM_ID, action="deploy", host=SECOND_ID)
    assert not result["fits"] and "Not enough memory: needs 3072 MiB, has 2048 free" in result["why"]
    assert result["why"].endswith("without enforce it would be done all the same")
    enforced = await one(waiting, vm=OTHER_VM_ID, action="deploy", host=SECOND_ID, enforce=True)
    assert not enforced["fits"] and "all the same" not in enforced["why"]


async def test_deployments_of_a_batch_take_the_room_from_each_other_and_from_new_vms(waiting):
    third = replace(waiting.memory.vms[OTHER_VM_ID], id=THIRD_ID)
    await waiting.put(third)
    answer = await tried(
        waiting,
        {"template": "CPU=1\nMEMORY=2000", "count": 2},
        {"vm": OTHER_VM_ID, "action": "deploy", "host": HOST_ID, "enforce": True},
        {"vm": THIRD_ID, "action": "deploy", "host": HOST_ID, "enforce": True},
    )
    assert [one["host"] for one in answer["results"]] == ["node2", "", "node1", ""]
    assert "Not enough memory" in answer["results"][3]["why"]


async def test_a_host_that_is_off_takes_no_deployment(waiting):
    await waiting.change("hosts", HOST_ID, state=HostState.DISABLED)
    result = await one(waiting, vm=OTHER_VM_ID, action="deploy", host=HOST_ID)
    assert result["why"] == "host node1 [3] is DISABLED, it must be MONITORED"


async def test_a_migration_is_tried_to_a_host_or_to_wherever_it_would_go(two_hosts):
    assert (await one(two_hosts, vm=VM_ID, action="migrate", host=SECOND_ID))["fits"]
    assert (await one(two_hosts, vm=VM_ID, action="migrate"))["host"] == "node2"
    result = await one(two_hosts, vm=VM_ID, action="migrate", host=HOST_ID)
    assert result["why"] == f"VM {VM_ID} is already on host node1 [{HOST_ID}]: choose another"
    await two_hosts.change("vms", VM_ID, state=VmState.PROLOG)
    for more in ({}, {"host": SECOND_ID}):
        assert "PROLOG" in (await one(two_hosts, vm=VM_ID, action="migrate", **more))["why"]


async def test_a_flushed_hosts_vms_go_elsewhere_and_nothing_new_comes_to_it(two_hosts):
    large = replace(VM_OF_ALICE, id=OTHER_VM_ID, needs=Needs(100, 3000), template=template(CPU="1", MEMORY="3000"))
    await two_hosts.put(large, host(HOST_ID, "node1", memory_mib=9000))
    answer = await tried(two_hosts, {"action": "flush", "host": HOST_ID}, {"template": SMALL})
    found = {(one["vm"], one["what"]): one["host"] for one in answer["results"]}
    assert found == {(VM_ID, f"VM {VM_ID}"): "node2", (OTHER_VM_ID, f"VM {OTHER_VM_ID}"): "", (-1, "template"): "node2"}
    (left,) = [one for one in answer["results"] if not one["fits"]]
    assert left["change"].endswith("it would fit on node2")


async def test_an_empty_host_is_flushed_by_doing_nothing(two_hosts):
    assert (await tried(two_hosts, {"action": "flush", "host": SECOND_ID}))["asked"] == 0


# -- who and how ------------------------------------------------------------------------------------


async def test_the_rights_are_those_of_what_is_tried(two_hosts):
    for item in (
        {"vm": VM_ID, "action": "migrate"},
        {"vm": VM_ID, "action": "deploy", "host": HOST_ID},
        {"action": "flush", "host": HOST_ID},
        {"template_id": TEMPLATE_ID},
    ):
        with pytest.raises(Refusal) as refused:
            await tried(two_hosts, item, session=BOB)
        assert refused.value.code == 0x0200
    await two_hosts.change("vms", VM_ID, permissions=Permissions(0o700))
    assert (await tried(two_hosts, {"vm": VM_ID, "action": "migrate"}, session=ALICE))["fitting"] == 1


async def test_users_are_not_told_the_names_of_hosts(two_hosts):
    text = await two_hosts.ask(
        ALICE, "trifid.placement.dry_run", json.dumps({"vms": [{"template": SMALL, "count": 8}]})
    )
    answer = json.loads(text)
    assert (answer["fitting"], places(answer)) == (6, [""] * 8)
    assert "it would fit on a host" in answer["text"] and "node" not in text


@pytest.mark.parametrize(
    ("batch", "why"),
    [
        ("[]", "the batch is not what is expected"),
        ('{"vms": []}', "a batch has 1 to 2000 VMs, this one has 0"),
        ('{"vms": [{"template": "CPU=1", "count": 1001}, {"template": "CPU=1", "count": 1000}]}', "this one has 2001"),
        ('{"vms": [{"template": "CPU=1", "colour": "red"}]}', "colour"),
        ('{"vms": [{"template": "CPU=1", "count": 0}]}', "count"),
        ('{"vms": [{}]}', "either a template or a template_id"),
        ('{"vms": [{"template": "CPU=1", "template_id": 6}]}', "either a template or a template_id"),
        ('{"vms": [{"action": "migrate"}]}', "migrate needs a vm"),
        ('{"vms": [{"action": "deploy", "vm": 5}]}', "deploy needs a host"),
        ('{"vms": [{"action": "flush"}]}', "flush needs a host"),
    ],
)
async def test_a_batch_that_makes_no_sense_is_refused_with_what_is_wrong(world, batch, why):
    with pytest.raises(Refusal, match=why) as refused:
        await world.ask(ADMIN, "trifid.placement.dry_run", batch)
    assert refused.value.code == 0x1000


async def test_a_vm_is_tried_once_in_a_batch(two_hosts):
    with pytest.raises(Refusal, match=f"VM {VM_ID} is named more than once in the batch"):
        await tried(two_hosts, {"vm": VM_ID, "action": "migrate"}, {"action": "flush", "host": HOST_ID})


async def test_what_is_not_there_is_not_tried(two_hosts):
    for item in ({"vm": 99, "action": "migrate"}, {"template_id": 99}, {"action": "flush", "host": 99}):
        with pytest.raises(Refusal, match="Error getting") as refused:
            await tried(two_hosts, item)
        assert refused.value.code == 0x0400
    stay = replace(STAY, etime=200)
    await two_hosts.change("vms", VM_ID, state=VmState.DONE, history=(stay,), etime=200)
    with pytest.raises(Refusal, match="DONE"):
        await tried(two_hosts, {"vm": VM_ID, "action": "migrate"})


# -- what one user may have others wait for ------------------------------------------------------------


async def test_a_user_asks_a_few_questions_at_the_same_time_and_an_administrator_as_many_as_he_likes(two_hosts):
    async def codes(session):
        batch = json.dumps({"vms": [{"template": SMALL}]})
        asked = [two_hosts.code(session, "trifid.placement.dry_run", batch) for _ in range(3)]
        return sorted(await asyncio.gather(two_hosts.code(session, "trifid.vm.explain", VM_ID), *asked))

    assert await codes(ALICE) == [0, 0, 0x0800, 0x0800]
    assert await codes(ALICE) == [0, 0, 0x0800, 0x0800]  # those that were refused, and answered, count no more
    assert await codes(ADMIN) == [0, 0, 0, 0]


async def test_a_batch_whose_vms_are_described_at_length_is_refused(two_hosts, monkeypatch):
    monkeypatch.setattr(dry_run, "DOCUMENTS_LENGTH_MAX", 20_000)
    long = f'{SMALL}\nNOTE="{"x" * 2000}"'
    assert (await tried(two_hosts, {"template": long}))["fitting"] == 1
    with pytest.raises(Refusal, match="described by more than 20000 characters: try fewer at a time"):
        await tried(two_hosts, {"template": long, "count": 20})


async def test_the_smallest_change_is_told_for_as_many_requirements_as_take_little_time(two_hosts, monkeypatch):
    asked = 'SCHED_REQUIREMENTS = "RACK = \\"r{}\\""'
    items = [{"template": f"{SMALL}\n{asked.format(number)}"} for number in range(3)]
    monkeypatch.setattr(trial, "EXPLAINED_CHARACTERS_MAX", 2 * len('RACK = "r0"'))
    results = (await tried(two_hosts, *items))["results"]
    assert [bool(one["change"]) for one in results] == [True, True, False]
    assert all(one["why"] for one in results)

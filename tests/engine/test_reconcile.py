"""What hypervisors run against what the engine believes: told without being changed, mended, wild domains listed."""

import asyncio

import pytest
from msgspec.structs import replace

from tests.core.vm.builders import stay, vm
from tests.engine.test_monitoring import Watching, running
from tests.engine.world import World, host
from trifid.core.host import HostState
from trifid.core.template.model import template
from trifid.core.vm.states import VmState as S
from trifid.core.wild import Wild, wild_attributes
from trifid.engine.reconcile import Difference, differences, mend
from trifid.errors import Refused

SYNC = "SYNC_STATE=YES\n"


@pytest.fixture
async def watching():
    world = World()
    yield Watching(world)
    await world.turns.close()


def imported(state: S = S.RUNNING, **more):
    """The VM of a domain that somebody else made."""
    stays = (stay(etime=150 if state is S.POWEROFF else 0),)
    return vm(state, template=template(IMPORTED="YES"), deploy_id="legacy", history=stays, **more)


def wilds(watching) -> list[str]:
    return [one.name for one in watching.monitoring.hosts[3].wilds]


async def look(watching, text: str):
    """Look at the host, whose driver answers this."""
    asked = asyncio.create_task(watching.monitoring.look(watching.host(), 5.0))
    await asyncio.sleep(0)
    assert watching.im.take() == ["START_MONITOR 3"]
    await watching.says("START_MONITOR")
    await watching.says("STATE_VM", SYNC + text)
    return await asked


def told(watching, picture) -> list[Difference]:
    return differences(watching.world.memory, picture, watching.monitoring.is_open)


# -- wild domains --------------------------------------------------------------------------------------


async def test_a_domain_that_nobody_knows_is_wild_until_it_is_gone(watching):
    await running(watching)
    lines = 'VM=[ID="42",STATE="RUNNING"]\nWILD=[DEPLOY_ID="legacy",UUID="u",STATE="RUNNING",VCPU="2",MEMORY="2048"]'
    await watching.says("STATE_VM", SYNC + lines)
    assert watching.monitoring.hosts[3].wilds == (Wild("legacy", "u", "RUNNING", 2, 2048),)
    await watching.sees("42 RUNNING")
    assert wilds(watching) == ["legacy"], "a report that is not complete says nothing of others"
    await watching.sees("42 RUNNING", sync=True)
    assert wilds(watching) == []


async def test_a_marked_domain_of_no_vm_is_wild_and_so_is_one_on_the_wrong_host(watching):
    await running(watching)
    await watching.world.put(host(4))
    await watching.says("STATE_VM", SYNC + 'VM=[ID="7",STATE="RUNNING"]')
    assert watching.monitoring.hosts[3].wilds == (Wild("one-7", vm_id=7),)
    await watching.says("STATE_VM", SYNC + 'VM=[ID="42",STATE="RUNNING"]', host_id=4)
    assert watching.monitoring.hosts[4].wilds == (Wild("one-42", vm_id=42),)
    await watching.says("STATE_VM", SYNC + 'VM=[ID="7",STATE="POWEROFF"]')
    assert wilds(watching) == [], "what is told of one that is gone is no domain"


async def test_a_vm_that_just_ended_is_not_wild_in_a_report_from_before_its_end(watching):
    await running(watching)
    await watching.world.put(replace(watching.vm(), state=S.DONE, step=9))
    await watching.sees("42 RUNNING", sync=True)
    assert wilds(watching) == []
    watching.clock.now += 1
    await watching.sees("42 RUNNING", sync=True)
    assert wilds(watching) == ["one-x"], "what the report calls it"


async def test_a_host_tells_its_wild_domains_in_the_words_of_todays_clients():
    found = wild_attributes((Wild("legacy", "u", memory_kib=2049), Wild("one-7", vm_id=7)))
    assert [one["VM_NAME"] for one in found.vectors("VM")] == ["legacy", "one-7"]
    names = ("TOTAL_WILDS", "WILDS", "TOTAL_ZOMBIES", "ZOMBIES")
    assert [found.single(name) for name in names] == ["1", "legacy", "1", "one-7"]
    assert Wild("legacy", memory_kib=2049).template.single("MEMORY") == "3"


# -- imported VMs --------------------------------------------------------------------------------------


async def test_the_domain_of_an_imported_vm_is_seen_by_its_name(watching):
    await watching.world.put(host(), imported())
    watching.clock.now += 10
    await watching.says("STATE_VM", SYNC + 'WILD=[DEPLOY_ID="legacy",STATE="RUNNING"]')
    assert (watching.vm().state, wilds(watching)) == (S.RUNNING, [])
    await watching.says("STATE_VM", SYNC + 'WILD=[DEPLOY_ID="legacy",STATE="SUSPENDED",REASON="by hand"]')
    assert watching.vm().state is S.PAUSED
    watching.clock.now += 10
    await watching.says("STATE_VM", SYNC + 'WILD=[DEPLOY_ID="legacy",STATE="POWEROFF"]')
    assert watching.vm().state is S.POWEROFF
    watching.clock.now += 10
    await watching.says("STATE_VM", SYNC + 'WILD=[DEPLOY_ID="legacy",STATE="RUNNING"]')
    assert (watching.vm().state, watching.vm().deploy_id) == (S.RUNNING, "legacy")


async def test_an_imported_vm_is_known_again_after_a_restart_and_measured(watching):
    await watching.world.put(host(), imported())
    again = Watching(World(store=watching.world.store))
    await again.says("STATE_VM", SYNC + 'WILD=[DEPLOY_ID="legacy",STATE="RUNNING"]')
    assert (again.vm().state, wilds(again)) == (S.RUNNING, [])
    await again.says("MONITOR_VM", 'VM=[ID="-1",DEPLOY_ID="legacy",MONITOR="TUVNT1JZPSIxIg=="]')
    assert again.monitoring.vms[42].values == {"MEMORY": "1"}
    await again.world.turns.close()


async def test_an_imported_domain_that_is_gone_is_off_and_one_elsewhere_is_wild(watching):
    await watching.world.put(host(), host(4), imported())
    watching.clock.now += 10
    await watching.says("STATE_VM", SYNC + 'WILD=[DEPLOY_ID="legacy",STATE="RUNNING"]', host_id=4)
    assert watching.monitoring.hosts[4].wilds[0].name == "legacy"
    await watching.says("STATE_VM", SYNC)
    assert watching.vm().state is S.POWEROFF


# -- differences ---------------------------------------------------------------------------------------


async def test_a_difference_is_told_and_nothing_is_changed_until_it_is_mended(watching):
    await running(watching)
    picture = await look(watching, "")
    found = told(watching, picture)
    assert found == [Difference(42, "web", "RUNNING", "OFF", "POWEROFF")]
    assert watching.vm().state is S.RUNNING
    steps = {42: watching.vm().step}
    assert await watching.world.turns.ask(lambda draft: mend(draft, picture, found, steps)) == found
    assert watching.vm().state is S.POWEROFF


async def test_a_vm_that_runs_although_it_is_believed_off_is_adopted(watching):
    await running(watching, S.POWEROFF)
    found = told(watching, await look(watching, 'VM=[ID="42",STATE="RUNNING"]'))
    assert found == [Difference(42, "web", "POWEROFF", "RUNNING", "RUNNING")]


async def test_a_domain_that_its_vm_must_not_have_is_told_and_left_alone(watching):
    await running(watching, S.SUSPENDED)
    (one,) = told(watching, await look(watching, 'VM=[ID="42",STATE="PAUSED"]\nVM=[ID="42",STATE="SUSPENDED"]'))
    assert (one.believed, one.seen, one.becomes) == ("SUSPENDED", "PAUSED", "")
    assert "by hand" in one.why


async def test_a_vm_that_a_driver_may_be_moving_is_not_mended(watching):
    await running(watching)
    watching.monitoring.is_undecided = lambda vm_id: True
    (one,) = told(watching, await look(watching, ""))
    assert (one.becomes, "look again" in one.why) == ("", True)


async def test_a_vm_that_moved_since_it_was_compared_is_not_mended(watching):
    await running(watching)
    picture = await look(watching, "")
    found = told(watching, picture)
    await watching.world.put(replace(watching.vm(), state=S.UNKNOWN, step=watching.vm().step + 1))
    (one,) = await watching.world.turns.ask(lambda draft: mend(draft, picture, found, {42: 7}))
    assert (one.becomes, watching.vm().state) == ("", S.UNKNOWN)
    assert "meanwhile" in one.why


async def test_what_is_as_believed_is_no_difference(watching):
    await running(watching)
    assert told(watching, await look(watching, 'VM=[ID="42",STATE="RUNNING"]')) == []


async def test_a_report_from_before_the_question_is_not_its_answer(watching):
    await running(watching)
    asked = asyncio.create_task(watching.monitoring.look(watching.host(), 5.0))
    await asyncio.sleep(0)
    await watching.sees("42 RUNNING", sync=True)
    assert not asked.done()
    await watching.says("START_MONITOR")
    await watching.sees(sync=True)
    assert told(watching, await asked)
    await watching.sees(sync=True)
    assert watching.vm().state is S.POWEROFF, "the next report is taken as ever"


async def test_a_host_that_cannot_be_looked_at_is_refused_with_the_reason(watching):
    await running(watching)
    asked = asyncio.create_task(watching.monitoring.look(watching.host(), 5.0))
    await asyncio.sleep(0)
    await watching.says("START_MONITOR", "no libvirt", status="FAILURE")
    with pytest.raises(Refused, match="no libvirt"):
        await asked
    with pytest.raises(Refused, match="within 0 s"):
        await watching.monitoring.look(watching.host(), 0.0)
    watching.im.is_ready = False
    with pytest.raises(Refused, match="im driver dummy is not up"):
        await watching.monitoring.look(watching.host())
    with pytest.raises(Refused, match="it is OFFLINE"):
        await watching.monitoring.look(host(state=HostState.OFFLINE))

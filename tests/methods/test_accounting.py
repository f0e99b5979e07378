"""Where VMs were and what they cost, of those that are gone as well."""

import pytest
from msgspec.structs import replace

from tests.methods.world import ADMIN, ALICE, ALICE_ID, BOB, BOB_ID, EVE, STAY, VM_ID, VM_OF_ALICE, Refusal
from tests.wire.schemas import valid
from trifid.core.showback import Prices
from trifid.core.template.model import template
from trifid.core.vm.states import VmState
from trifid.methods import accounting

GONE_ID = 30
GONE = replace(
    VM_OF_ALICE,
    id=GONE_ID,
    uid=BOB_ID,
    state=VmState.DONE,
    etime=500,
    history=(replace(STAY, stime=100, etime=200), replace(STAY, seq=1, stime=300, etime=500)),
)


@pytest.fixture(autouse=True)
async def _one_is_gone(world):
    await world.put(GONE)


async def stays(world, session, *arguments):
    """VM and number of each stay that accounting answers."""
    document = valid(await world.ask(session, "one.vmpool.accounting", *arguments), "acct")
    return [(int(one.findtext("OID")), int(one.findtext("SEQ"))) for one in document]


async def test_all_stays_are_told_each_with_its_vm(world):
    assert await stays(world, ADMIN, -2, -1, -1) == [(VM_ID, 0), (GONE_ID, 0), (GONE_ID, 1)]
    document = valid(await world.ask(ADMIN, "one.vmpool.accounting", -2, -1, -1), "acct")
    assert [one.findtext("VM/HISTORY_RECORDS/HISTORY/SEQ") for one in document] == ["0", "0", "1"]
    assert {one.findtext("VM/NAME") for one in document} == {"web"}


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (201, -1, [(VM_ID, 0), (GONE_ID, 1)]),
        (200, 299, [(VM_ID, 0), (GONE_ID, 0)]),
        (501, -1, [(VM_ID, 0)]),
        (-1, 99, []),
        (500, 100, [(VM_ID, 0)]),
    ],
)
async def test_a_span_of_time_takes_in_what_overlaps_it(world, start, end, expected):
    assert await stays(world, ADMIN, -2, start, end) == expected


async def test_users_see_the_stays_of_their_own_vms(world):
    assert await stays(world, BOB, -3, -1, -1) == [(GONE_ID, 0), (GONE_ID, 1)]
    assert await stays(world, ALICE, -3, -1, -1) == [(VM_ID, 0)]
    assert await stays(world, ADMIN, ALICE_ID, -1, -1) == [(VM_ID, 0)]
    assert await stays(world, EVE, -2, -1, -1) == []


async def test_a_wrong_filter_is_refused(world):
    with pytest.raises(Refusal, match="Incorrect filter_flag") as refusal:
        await world.ask(ADMIN, "one.vmpool.accounting", -9, -1, -1)
    assert refusal.value.code == 0x1000


async def test_vms_that_are_gone_are_read_page_by_page(world, monkeypatch):
    monkeypatch.setattr(accounting, "PAGE", 2)
    await world.put(*(replace(GONE, id=number) for number in range(31, 36)))
    assert [vm_id for vm_id, _ in await stays(world, ADMIN, BOB_ID, -1, 250)] == [30, 31, 32, 33, 34, 35]


async def test_an_answer_without_bound_is_refused(world, monkeypatch):
    monkeypatch.setattr(accounting, "ANSWER_CHARS_MAX", 100)
    with pytest.raises(Refusal, match="ask for a shorter time"):
        await world.ask(ADMIN, "one.vmpool.accounting", -2, -1, -1)


async def test_showback_tells_the_costs_of_each_month(world):
    await world.put(replace(GONE, id=31, template=template(CPU_COST="2", MEMORY_COST="0.5")))
    document = valid(await world.ask(BOB, "one.vmpool.showback", -3, -1, -1, -1, -1), "showback")
    first, second = document
    assert (first.findtext("VMID"), first.findtext("TOTAL_COST")) == ("30", "0")
    told = {one.tag: one.text for one in second}
    assert told["YEAR"], told["MONTH"] == ("1970", "1")
    assert (told["HOURS"], told["UNAME"]) == ("0.083333", "bob")
    assert float(told["CPU_COST"]) == pytest.approx(2 * 300 / 3600, abs=1e-6)
    assert float(told["MEMORY_COST"]) == pytest.approx(0.5 * 64 * 300 / 3600, abs=1e-6)


async def test_what_names_no_price_costs_what_the_configuration_says(world):
    world.engine.config = replace(world.engine.config, showback=Prices(cpu_cost=36.0))
    document = valid(await world.ask(BOB, "one.vmpool.showback", -3, 1, 1970, 1, 1970), "showback")
    assert document[0].findtext("CPU_COST") == "3"


async def test_months_that_are_not_asked_for_are_left_out(world):
    assert await world.ask(ADMIN, "one.vmpool.showback", -2, 2, 1970, -1, -1) == "<SHOWBACK_RECORDS></SHOWBACK_RECORDS>"


@pytest.mark.parametrize("months", [(0, 2020, -1, -1), (13, 2020, -1, -1), (-1, 2020, -1, -1), (1, 10**8, -1, -1)])
async def test_what_is_no_month_is_refused(world, months):
    assert await world.code(ADMIN, "one.vmpool.showback", -2, *months) == 0x1000
    assert await world.code(ADMIN, "one.vmpool.calculateshowback", *months) == 0x1000


async def test_calculating_answers_a_blank_and_is_for_administrators(world):
    assert await world.ask(ADMIN, "one.vmpool.calculateshowback", -1, -1, -1, -1) == " "
    assert await world.code(ALICE, "one.vmpool.calculateshowback", -1, -1, -1, -1) == 0x0200

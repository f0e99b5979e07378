"""Access rules: made, shown, deleted, and at work in the calls that follow."""

import re

import pytest

from tests.methods.test_vm_schedules import due
from tests.methods.world import (
    ADMIN,
    ALICE,
    ALICE_ID,
    BOB,
    BOB_ID,
    EVE,
    EVE_ID,
    GUESTS_GID,
    HOST_ID,
    NETWORK_ID,
    STAFF_GID,
    VM_ID,
    Refusal,
    user,
)
from tests.wire.schemas import valid
from trifid.core.acl_text import parse_rule
from trifid.core.user import LoginToken, User
from trifid.core.vm.states import VmState
from trifid.engine.auth import token_digest

NOT_ALLOWED = 0x0200


async def add(world, text: str, session: str = ADMIN) -> int:
    said = parse_rule(text)
    return await world.ask(session, "one.acl.addrule", *(f"{getattr(said, name):x}" for name in said.__struct_fields__))


async def shown(world) -> dict[int, str]:
    document = await world.ask(ADMIN, "one.acl.info")
    return {int(n): text for n, text in re.findall(r"<ID>(\d+)</ID>.*?<STRING>(.*?)</STRING>", document)}


async def test_a_rule_gives_a_right_at_once_and_taken_back_it_gives_none_to_any_later_call(world):
    assert await world.code(EVE, "one.vm.info", VM_ID) == NOT_ALLOWED
    rule_id = await add(world, f"@{GUESTS_GID} VM/#{VM_ID} USE")
    assert f"<ID>{VM_ID}</ID>" in await world.ask(EVE, "one.vm.info", VM_ID)
    assert f"<ID>{VM_ID}</ID>" in await world.ask(EVE, "one.vmpool.info", -2, -1, -1, -2)
    assert await world.code(EVE, "one.vm.rename", VM_ID, "mine") == NOT_ALLOWED
    assert await world.ask(ADMIN, "one.acl.delrule", rule_id) == rule_id
    assert await world.code(EVE, "one.vm.info", VM_ID) == NOT_ALLOWED
    assert "<VM>" not in await world.ask(EVE, "one.vmpool.info", -2, -1, -1, -2)


async def test_a_rule_is_shown_as_words_and_as_text_and_the_document_is_valid(world):
    rule_id = await add(world, "@1 NET+IMAGE/#31 USE+MANAGE #0")
    document = await world.ask(ADMIN, "one.acl.info")
    valid(document, "acl_pool")
    assert document.endswith(
        f"<ACL><ID>{rule_id}</ID><USER>200000001</USER><RESOURCE>c10000001f</RESOURCE><RIGHTS>3</RIGHTS>"
        "<ZONE>100000000</ZONE><STRING>@1 NET+IMAGE/#31 USE+MANAGE #0</STRING></ACL></ACL_POOL>"
    )


async def test_a_new_database_has_the_first_rules_and_what_is_deleted_stays_deleted(world):
    rules = await shown(world)
    first = {
        0: "@1 VM+IMAGE+TEMPLATE+DOCUMENT+SECGROUP+VROUTER+VMGROUP+BACKUPJOB/* CREATE *",
        1: "* ZONE/* USE *",
        2: "* MARKETPLACE+MARKETPLACEAPP/* USE *",
    }
    assert {rule_id: rules[rule_id] for rule_id in first} == first
    await world.ask(ADMIN, "one.acl.delrule", 1)
    await world.engine.start(ADMIN)
    assert 1 not in await shown(world) and 0 in await shown(world)


async def test_without_a_zone_a_rule_is_for_this_one(world):
    rule_id = await world.ask(ADMIN, "one.acl.addrule", "400000000", "1400000000", "1")
    assert (await shown(world))[rule_id] == "* VM/* USE #0"


async def test_the_same_rule_is_not_made_twice(world):
    rule_id = await add(world, "#5 VM/* USE")
    with pytest.raises(Refusal, match=rf"Rule #5 VM/\* USE \* already exists, it is rule {rule_id}"):
        await add(world, "#5 VM/* USE")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("1", "1", "1"), r"Rule \?\? /\?\? USE #0 is malformed: \[user\] is missing one of the INDIVIDUAL, GROUP or"),
        (("x", "1", "1"), r"\[user\] is not a hexadecimal number"),
        (("400000000", "", "1"), r"\[resource\] is not a hexadecimal number"),
        (("400000000", "1400000000", "1" * 400), r"\[rights\] is not a hexadecimal number"),
        (("400000000", "1400000000", "1", "100000007"), "there is zone 0 only"),
    ],
)
async def test_a_malformed_rule_is_refused(world, words, told):
    before = await shown(world)
    with pytest.raises(Refusal, match=told) as refusal:
        await world.ask(ADMIN, "one.acl.addrule", *words)
    assert refusal.value.code == 0x2000
    assert await shown(world) == before


async def test_a_rule_that_is_not_there_is_told_as_clients_know(world):
    with pytest.raises(Refusal, match=r"Rule 9999 does not exist") as refusal:
        await world.ask(ADMIN, "one.acl.delrule", 9999)
    assert refusal.value.code == 0x2000


async def test_who_may_manage_rules_is_told_by_a_rule(world):
    assert await world.code(ALICE, "one.acl.info") == NOT_ALLOWED
    await add(world, f"#{ALICE_ID} ACL/* MANAGE")
    assert "<ACL>" in await world.ask(ALICE, "one.acl.info")
    await add(world, f"#{ALICE_ID} HOST/#{HOST_ID} USE", ALICE)
    assert await world.code(ALICE, "one.host.info", HOST_ID) == 0
    assert await world.code(BOB, "one.acl.info") == NOT_ALLOWED


async def test_networks_are_named_by_their_clusters(world):
    await world.change("networks", NETWORK_ID, cluster_ids=(0, 101))
    await add(world, f"@{GUESTS_GID} NET/%101 USE")
    assert await world.code(EVE, "one.vn.info", NETWORK_ID) == 0
    await world.change("networks", NETWORK_ID, cluster_ids=(0,))
    assert await world.code(EVE, "one.vn.info", NETWORK_ID) == NOT_ALLOWED


async def test_a_token_that_is_limited_to_a_group_has_the_rules_of_that_group_the_user_and_everybody(world):
    limited = User(13, "carl", (STAFF_GID, GUESTS_GID), tokens=(LoginToken(token_digest("token"), -1, GUESTS_GID),))
    await world.put(limited)
    for whom, reaches in ((f"@{STAFF_GID}", False), (f"@{GUESTS_GID}", True), ("#13", True), ("*", True)):
        rule_id = await add(world, f"{whom} VM/#{VM_ID} USE")
        assert (await world.code("carl:token", "one.vm.info", VM_ID) == 0) is reaches, whom
        await world.ask(ADMIN, "one.acl.delrule", rule_id)


async def test_what_is_deleted_is_named_by_no_rule_any_more(world):
    kept = await add(world, "@1 VM/#77 USE")
    gone = [
        await add(world, text)
        for text in (
            f"#{EVE_ID} VM/* USE",
            f"@1 USER/#{EVE_ID} USE",
            f"@{GUESTS_GID} VM/* USE",
            f"@1 VM/@{GUESTS_GID} USE",
            f"@1 GROUP/#{GUESTS_GID} USE",
        )
    ]
    both = await add(world, f"@1 USER+VM/#{EVE_ID} USE")
    await world.ask(ADMIN, "one.user.delete", EVE_ID)
    await world.ask(ADMIN, "one.group.delete", GUESTS_GID)
    rules = await shown(world)
    assert kept in rules and not rules.keys() & set(gone)
    assert rules[both] == f"@1 VM/#{EVE_ID} USE *"


async def test_a_vm_that_is_done_is_named_by_no_rule_any_more(world):
    rule_id = await add(world, f"@1 VM/#{VM_ID} USE")
    await world.change("vms", VM_ID, name="other")
    assert rule_id in await shown(world)
    await world.change("vms", VM_ID, state=VmState.DONE, history=())
    assert rule_id not in await shown(world)


async def test_whoever_may_make_users_of_a_group_makes_none_of_another(world):
    await add(world, f"#{ALICE_ID} USER/@{STAFF_GID} CREATE")
    made = await world.ask(ALICE, "one.user.allocate", "new", "pw", "core", [STAFF_GID])
    assert world.memory.users[made].gids == (STAFF_GID,)
    for groups in ([], [1], [0], [STAFF_GID, 0], [STAFF_GID, GUESTS_GID], [GUESTS_GID]):
        assert await world.code(ALICE, "one.user.allocate", "more", "pw", "core", groups) == NOT_ALLOWED, groups


async def test_no_rule_makes_anybody_an_administrator(world):
    await add(world, f"#{ALICE_ID} USER+GROUP/* USE+MANAGE+ADMIN+CREATE")
    await world.put(user(20, "deputy", 1, 0), user(21, "plain", 1))
    assert await world.code(ALICE, "one.user.addgroup", 21, GUESTS_GID) == 0
    for call in (
        ("one.user.addgroup", ALICE_ID, 0),
        ("one.user.chgrp", ALICE_ID, 0),
        ("one.user.allocate", "mine", "pw", "core", [0]),
        ("one.user.passwd", 0, "mine"),
        ("one.user.passwd", 20, "mine"),
        ("one.user.login", "oneadmin", "", 60, 0),
        ("one.user.login", "deputy", "", 60, 0),
        ("one.user.delete", 20),
        ("one.user.delgroup", 20, 0),
        ("one.user.enable", 0, False),
        ("one.group.update", 0, "X=1", 1),
    ):
        assert await world.code(ALICE, *call) == NOT_ALLOWED, call
    assert await world.code(ALICE, "one.user.passwd", 21, "new") == 0


@pytest.mark.parametrize("is_taken_back", [False, True])
async def test_a_scheduled_action_is_done_with_the_rules_of_its_user_as_they_are_then(world, is_taken_back):
    rule_id = await add(world, f"#{BOB_ID} VM/#{VM_ID} USE+MANAGE")
    await world.ask(BOB, "one.vm.schedadd", VM_ID, "SCHED_ACTION=[ACTION=suspend,TIME=2000]")
    if is_taken_back:
        await world.ask(ADMIN, "one.acl.delrule", rule_id)
    await due(world)
    vm = world.memory.vms[VM_ID]
    assert vm.state is (VmState.RUNNING if is_taken_back else VmState.SAVE_SUSPEND)
    assert ("Not authorized to perform MANAGE" in vm.schedule[0].message) is is_taken_back

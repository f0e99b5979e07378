"""Groups: attributes, administrators, and what these may do."""

import pytest

from tests.methods.test_acl import shown
from tests.methods.world import (
    ADMIN,
    ALICE,
    ALICE_ID,
    BOB,
    BOB_ID,
    EVE_ID,
    GUESTS_GID,
    STAFF_GID,
    VM_ID,
    Refusal,
    user,
)
from tests.wire.schemas import valid
from trifid.core.access import Permissions

NOT_ALLOWED, NOT_THERE, REFUSED = 0x0200, 0x0400, 0x0800
CARL, CARL_ID, DORA_ID = "carl:token", 20, 21


@pytest.fixture(autouse=True)
async def _members(world):
    """Carl administers the staff, to which Dora belongs first of all."""
    await world.put(user(CARL_ID, "carl", STAFF_GID), user(DORA_ID, "dora", STAFF_GID))
    await world.ask(ADMIN, "one.group.addadmin", STAFF_GID, CARL_ID)


async def test_a_group_is_shown_with_its_administrators_and_attributes(world):
    await world.ask(ADMIN, "one.group.update", STAFF_GID, 'DESCRIPTION="those who work here"')
    document = await world.ask(ADMIN, "one.group.info", STAFF_GID)
    valid(document, "group")
    assert f"<ADMINS><ID>{CARL_ID}</ID></ADMINS>" in document
    assert "<DESCRIPTION><![CDATA[those who work here]]></DESCRIPTION>" in document
    pool = await world.ask(ADMIN, "one.grouppool.info")
    valid(pool, "group_pool")
    assert f"<ADMINS><ID>{CARL_ID}</ID></ADMINS>" in pool


async def test_an_administrator_of_a_group_has_rules_that_come_and_go(world):
    rules = {text for text in (await shown(world)).values() if text.startswith(f"#{CARL_ID} ")}
    assert rules == {
        f"#{CARL_ID} USER/@{STAFF_GID} USE+MANAGE+ADMIN+CREATE *",
        f"#{CARL_ID} VM+NET+IMAGE+TEMPLATE+DOCUMENT+SECGROUP+VROUTER+VMGROUP/@{STAFF_GID} USE+MANAGE *",
        f"#{CARL_ID} GROUP/#{STAFF_GID} USE+MANAGE *",
    }
    await world.ask(ADMIN, "one.group.deladmin", STAFF_GID, CARL_ID)
    assert not [text for text in (await shown(world)).values() if text.startswith(f"#{CARL_ID} ")]


async def test_an_administrator_makes_users_in_the_group_and_manages_them(world):
    made = await world.ask(CARL, "one.user.allocate", "new", "pw", "core", [STAFF_GID])
    assert await world.ask(CARL, "one.user.allocate", "second", "pw", "", []) > made
    for call in (
        ("one.user.info", made),
        ("one.user.passwd", made, "other"),
        ("one.user.update", made, "X=1", 1),
        ("one.user.enable", made, False),
        ("one.user.delete", made),
        ("one.group.update", STAFF_GID, "X=1", 1),
    ):
        assert await world.code(CARL, *call) == 0, call


async def test_an_administrator_has_no_say_about_other_groups_and_users(world):
    for call in (
        ("one.user.allocate", "new", "pw", "core", [GUESTS_GID]),
        ("one.user.allocate", "new", "pw", "core", [STAFF_GID, 0]),
        ("one.user.passwd", EVE_ID, "mine"),
        ("one.user.passwd", 0, "mine"),
        ("one.user.addgroup", DORA_ID, 0),
        ("one.user.addgroup", DORA_ID, GUESTS_GID),
        ("one.user.chgrp", DORA_ID, 0),
        ("one.user.addgroup", EVE_ID, STAFF_GID),
        ("one.group.addadmin", STAFF_GID, ALICE_ID),
        ("one.group.addadmin", GUESTS_GID, CARL_ID),
        ("one.group.delete", STAFF_GID),
        ("one.group.update", GUESTS_GID, "X=1", 1),
        ("one.group.allocate", "mine"),
    ):
        assert await world.code(CARL, *call) == NOT_ALLOWED, call


async def test_an_administrator_manages_what_belongs_to_the_group(world):
    await world.change("vms", VM_ID, permissions=Permissions(0o600))
    assert await world.code(CARL, "one.vm.rename", VM_ID, "better") == NOT_ALLOWED
    await world.change("vms", VM_ID, gid=STAFF_GID)
    assert await world.code(CARL, "one.vm.rename", VM_ID, "better") == 0
    assert await world.code(BOB, "one.vm.rename", VM_ID, "worse") == NOT_ALLOWED  # a member who administers nothing


async def test_who_leaves_the_group_or_is_deleted_administers_it_no_more(world):
    await world.ask(ADMIN, "one.group.addadmin", STAFF_GID, BOB_ID)
    await world.ask(ADMIN, "one.user.delgroup", BOB_ID, STAFF_GID)
    assert world.memory.groups[STAFF_GID].admins == (CARL_ID,)
    await world.ask(ADMIN, "one.user.delete", CARL_ID)
    assert world.memory.groups[STAFF_GID].admins == ()
    assert not [text for text in (await shown(world)).values() if text.startswith((f"#{CARL_ID} ", f"#{BOB_ID} "))]


async def test_a_rule_of_an_administrator_is_changed_by_the_group_only(world):
    (rule_id, *_) = [number for number, text in (await shown(world)).items() if text.startswith(f"#{CARL_ID} ")]
    with pytest.raises(Refusal, match=rf"administrators of group staff \[{STAFF_GID}\] have it, .* deladmin"):
        await world.ask(ADMIN, "one.acl.delrule", rule_id)


@pytest.mark.parametrize(
    ("method", "arguments", "code", "told"),
    [
        ("addadmin", (STAFF_GID, EVE_ID), REFUSED, rf"User eve \[{EVE_ID}\] is not a member of group staff"),
        ("addadmin", (STAFF_GID, CARL_ID), REFUSED, "already administers group staff"),
        ("addadmin", (STAFF_GID, 999), NOT_THERE, r"Error getting user \[999\]"),
        ("addadmin", (999, CARL_ID), NOT_THERE, r"Error getting group \[999\]"),
        ("deladmin", (STAFF_GID, ALICE_ID), REFUSED, "does not administer group staff"),
        ("update", (STAFF_GID, "X=1", 7), 0x1000, "Wrong update type"),
        ("update", (STAFF_GID, "X=[", 0), REFUSED, "Parse error"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_reason(world, method, arguments, code, told):
    before = world.memory.groups[STAFF_GID]
    with pytest.raises(Refusal, match=told) as refusal:
        await world.ask(ADMIN, f"one.group.{method}", *arguments)
    assert refusal.value.code == code
    assert world.memory.groups[STAFF_GID] == before


async def test_members_see_their_group_and_change_nothing(world):
    assert await world.code(ALICE, "one.group.info", STAFF_GID) == 0
    assert await world.code(ALICE, "one.group.update", STAFF_GID, "X=1", 1) == NOT_ALLOWED

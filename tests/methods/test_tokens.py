"""Login tokens: what they are good for, and that one of a single group stays with it."""

import pytest

from tests.methods.world import ADMIN, ALICE, ALICE_ID, BOB, GUESTS_GID, STAFF_GID, Refusal

TEN_YEARS_S = 10 * 366 * 86400


async def limited(world, gid=STAFF_GID):
    """Return a session of Alice that acts in one group."""
    return f"alice:{await world.ask(ALICE, 'one.user.login', 'alice', '', 600, gid)}"


async def test_a_limited_token_acts_in_its_group_only(world):
    session = await limited(world)
    await world.ask(session, "one.group.info", STAFF_GID)
    assert await world.code(session, "one.group.info", 1) == 0x0200
    assert await world.code(session, "one.vm.allocate", "CPU=1\nMEMORY=64", True) == 0x0200
    assert await world.code(ALICE, "one.vm.allocate", "CPU=1\nMEMORY=64", True) == 0


@pytest.mark.parametrize("egid", [-1, 1])
async def test_a_limited_token_makes_no_wider_one(world, egid):
    session = await limited(world)
    assert await world.code(session, "one.user.login", "alice", "", 600, egid) == 0x0200
    assert await world.code(session, "one.user.login", "alice", "", 600, STAFF_GID) == 0


async def test_a_limited_token_is_not_widened_when_it_is_for_the_only_group(world):
    await world.change("users", ALICE_ID, gids=(STAFF_GID,))
    session = await limited(world)
    assert await world.code(session, "one.user.login", "alice", "", 600, -1) == 0x0200


@pytest.mark.parametrize("user_id", [-1, ALICE_ID])
async def test_a_limited_token_sets_no_password(world, user_id):
    session = await limited(world)
    assert await world.code(session, "one.user.passwd", user_id, "mine") == 0x0200
    assert await world.code(ALICE, "one.user.passwd", user_id, "mine") == 0
    assert await world.code("alice:mine", "one.user.info", -1) == 0


async def test_a_limited_token_clears_itself_but_not_all_tokens(world):
    session = await limited(world)
    assert await world.code(session, "one.user.login", "alice", "", 0) == 0x0200
    assert await world.code(session, "one.user.login", "alice", session.partition(":")[2], 0) == 0
    assert await world.code(session, "one.user.info", -1) == 0x0100
    assert await world.code(ALICE, "one.user.info", -1) == 0


async def test_a_token_limited_to_a_group_that_the_user_has_left_is_worth_nothing(world):
    session = await limited(world)
    await world.change("users", ALICE_ID, gids=(1,))
    assert await world.code(session, "one.user.info", -1) == 0x0100


async def test_an_administrator_clears_the_tokens_of_others(world):
    assert await world.code(BOB, "one.user.login", "alice", "", 0) == 0x0200
    assert await world.code(ADMIN, "one.user.login", "alice", "", 0) == 0
    assert await world.code(ALICE, "one.user.info", -1) == 0x0100


@pytest.mark.parametrize("valid_s", [-2, -5, TEN_YEARS_S + 1, 2**63 - 1])
async def test_a_token_lasts_no_odd_time(world, valid_s):
    assert await world.code(ALICE, "one.user.login", "alice", "", valid_s) == 0x1000


@pytest.mark.parametrize("valid_s", [-1, 1, TEN_YEARS_S])
async def test_a_token_lasts_as_long_as_asked_or_for_ever(world, valid_s):
    token = await world.ask(ALICE, "one.user.login", "alice", "", valid_s)
    assert await world.code(f"alice:{token}", "one.user.info", -1) == 0
    (expires_at,) = {t.expires_at for t in world.memory.users[ALICE_ID].tokens} - {-1} or {-1}
    assert expires_at == (-1 if valid_s == -1 else 1000 + valid_s)


async def test_no_token_for_a_group_of_others(world):
    with pytest.raises(Refusal, match=f"user alice is not a member of group {GUESTS_GID}"):
        await world.ask(ALICE, "one.user.login", "alice", "", 600, GUESTS_GID)


async def test_a_limited_token_administers_no_other_group(world):
    await world.change("users", ALICE_ID, gids=(1, STAFF_GID, GUESTS_GID))
    for gid in (STAFF_GID, GUESTS_GID):
        await world.ask(ADMIN, "one.group.addadmin", gid, ALICE_ID)
    session = await limited(world)
    assert await world.code(session, "one.user.allocate", "new", "pw", "", [GUESTS_GID]) == 0x0200
    assert await world.code(session, "one.group.update", GUESTS_GID, "A=1", 1) == 0x0200
    assert await world.code(session, "one.user.allocate", "new", "pw", "", [STAFF_GID]) == 0
    assert await world.code(session, "one.group.update", STAFF_GID, "A=1", 1) == 0
    assert await world.code(ALICE, "one.group.update", GUESTS_GID, "A=1", 1) == 0


@pytest.mark.parametrize("method", ["addgroup", "delgroup", "chgrp"])
async def test_a_limited_token_puts_nobody_into_other_groups(world, method):
    await world.ask(ADMIN, "one.acl.addrule", f"{1 << 32 | ALICE_ID:x}", f"{1 << 42 | 1 << 34:x}", "2")
    gid = STAFF_GID if method == "delgroup" else GUESTS_GID
    session = await limited(world)
    assert await world.code(session, f"one.user.{method}", ALICE_ID, gid) == 0x0200
    assert await world.code(ALICE, f"one.user.{method}", ALICE_ID, gid) == 0

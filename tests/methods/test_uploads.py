"""Who may upload: whoever may make images, told by the session as in any call."""

import pytest

from tests.methods.world import ADMIN, ALICE, ALICE_ID, EVE
from trifid.errors import NotAllowed, NotAuthenticated
from trifid.methods.uploads import admission


async def test_users_and_administrators_are_admitted_as_themselves(world):
    admit = admission(world.engine)
    assert [await admit(session) for session in (ADMIN, ALICE, ALICE)] == [0, ALICE_ID, ALICE_ID]


@pytest.mark.parametrize("session", ["alice:wrong", "nobody:token", "alice", ""])
async def test_nobody_else_is(world, session):
    with pytest.raises(NotAuthenticated):
        await admission(world.engine)(session)


async def test_who_may_not_make_images_may_not_upload(world):
    with pytest.raises(NotAllowed, match="CREATE IMAGE"):
        await admission(world.engine)(EVE)


async def test_a_user_who_is_disabled_meanwhile_is_not_admitted_any_more(world):
    admit = admission(world.engine)
    await admit(ALICE)
    await world.change("users", ALICE_ID, enabled=False)
    with pytest.raises(NotAuthenticated):
        await admit(ALICE)

"""Sessions: passwords, tokens, what is remembered and when it is forgotten."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from tests.engine.fake_store import FakeStore
from trifid.core.user import LoginToken, User
from trifid.engine import auth
from trifid.engine.auth import REMEMBER_S, Authenticator, hash_password, password_matches, token_digest
from trifid.engine.memory import Memory
from trifid.errors import NotAuthenticated
from trifid.store.interface import Batch

KEPT = hash_password("secret", salt=b"0123456789abcdef")
ALICE = User(7, "alice", (1, 100), password=KEPT)


class Door:
    """An authenticator over a memory whose users and clock the test changes; it counts hashings."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.memory = Memory(FakeStore().load())
        self.now = 1000
        self.hashings: list[str] = []
        original = auth.password_matches

        def counted(password: str, kept: str) -> bool:
            self.hashings.append(kept)
            return original(password, kept)

        monkeypatch.setattr(auth, "password_matches", counted)
        self.authenticator = Authenticator(self.memory, lambda: self.now)
        self.put(ALICE)

    def put(self, user: User) -> None:
        self.memory.adopt(Batch(users={user.id: user}))

    async def uid(self, session: str) -> int:
        return (await self.authenticator.caller(session)).uid


@pytest.fixture
def door(monkeypatch):
    return Door(monkeypatch)


def test_a_password_matches_only_itself():
    assert password_matches("secret", KEPT)
    assert not password_matches("Secret", KEPT)
    assert hash_password("secret") != hash_password("secret")


@pytest.mark.parametrize("kept", ["", "secret", "md5$00$00", "scrypt$00", "scrypt$$"])
def test_what_is_no_hash_matches_nothing(kept):
    assert not password_matches("secret", kept)
    assert not password_matches("", kept)


async def test_the_right_password_is_the_user_with_all_groups(door):
    caller = await door.authenticator.caller("alice:secret")
    assert (caller.uid, caller.name, caller.gids) == (7, "alice", (1, 100))


async def test_a_password_may_have_colons(door):
    door.put(replace(ALICE, password=hash_password("a:b:c")))
    assert await door.uid("alice:a:b:c") == 7


@pytest.mark.parametrize("session", ["alice:wrong", "alice:", "alice", "", ":", "bob:secret", "Alice:secret"])
async def test_whatever_is_wrong_is_answered_alike(door, session):
    with pytest.raises(NotAuthenticated) as refused:
        await door.uid(session)
    assert refused.value.message == "User couldn't be authenticated, aborting call."


@pytest.mark.parametrize("session", ["alice:wrong", "bob:secret", "nopass:secret"])
async def test_an_unknown_user_costs_as_much_as_a_wrong_password(door, session):
    door.put(User(8, "nopass", (1,)))
    with pytest.raises(NotAuthenticated):
        await door.uid(session)
    assert [kept.startswith("scrypt$") for kept in door.hashings] == [True]


async def test_a_user_without_a_password_cannot_log_in_with_one(door):
    door.put(User(8, "nopass", (1,)))
    with pytest.raises(NotAuthenticated):
        await door.uid("nopass:")


async def test_a_disabled_user_is_refused_with_the_right_password(door):
    door.put(replace(ALICE, enabled=False))
    with pytest.raises(NotAuthenticated):
        await door.uid("alice:secret")


async def test_a_session_is_hashed_once_in_a_while(door):
    for _ in range(3):
        await door.uid("alice:secret")
    assert len(door.hashings) == 1
    door.now += REMEMBER_S
    assert door.authenticator.remembered("alice:secret") is None
    await door.uid("alice:secret")
    assert len(door.hashings) == 2


async def test_a_wrong_password_is_never_remembered(door):
    for _ in range(2):
        with pytest.raises(NotAuthenticated):
            await door.uid("alice:wrong")
    assert len(door.hashings) == 2


@pytest.mark.parametrize(
    "change",
    [{"password": hash_password("other")}, {"enabled": False}, {"gids": (1,)}, {"name": "alicia"}],
    ids=["password", "disabled", "groups", "name"],
)
async def test_any_change_of_the_user_ends_what_is_remembered(door, change):
    await door.uid("alice:secret")
    door.put(replace(ALICE, **change))
    assert door.authenticator.remembered("alice:secret") is None


async def test_a_deleted_user_is_not_remembered(door):
    await door.uid("alice:secret")
    door.memory.adopt(Batch(users={7: None}))
    with pytest.raises(NotAuthenticated):
        await door.uid("alice:secret")


async def test_a_token_stands_for_the_password_until_it_expires(door):
    door.put(replace(ALICE, tokens=(LoginToken(token_digest("t0"), 1100), LoginToken(token_digest("t1"), -1))))
    assert await door.uid("alice:t0") == 7
    assert await door.uid("alice:t1") == 7
    assert door.hashings == []
    door.now = 1099
    assert await door.uid("alice:t0") == 7
    door.now = 1100
    assert door.authenticator.remembered("alice:t0") is None
    with pytest.raises(NotAuthenticated):
        await door.uid("alice:t0")
    assert await door.uid("alice:t1") == 7


async def test_a_token_may_be_for_one_group_only(door):
    door.put(replace(ALICE, tokens=(LoginToken(token_digest("t0"), -1, egid=100),)))
    limited, whole = [await door.authenticator.caller(f"alice:{secret}") for secret in ("t0", "secret")]
    assert (limited.gids, limited.is_limited, limited.egid) == ((100,), True, 100)
    assert (whole.gids, whole.is_limited) == ((1, 100), False)


async def test_a_token_for_a_group_that_the_user_has_left_is_worth_nothing(door):
    door.put(replace(ALICE, gids=(1,), tokens=(LoginToken(token_digest("t0"), -1, egid=100),)))
    with pytest.raises(NotAuthenticated):
        await door.uid("alice:t0")


async def test_passwords_are_hashed_in_threads_that_nobody_else_waits_for(door):
    busy = threading.Event()
    with ThreadPoolExecutor(1) as others:
        asyncio.get_running_loop().set_default_executor(others)
        others.submit(busy.wait, 30)
        assert await door.uid("alice:secret") == 7
        assert password_matches("new", await door.authenticator.hashed("new"))
        busy.set()


async def test_a_token_taken_back_is_worth_nothing(door):
    door.put(replace(ALICE, tokens=(LoginToken(token_digest("t0"), -1),)))
    await door.uid("alice:t0")
    door.put(ALICE)
    with pytest.raises(NotAuthenticated):
        await door.uid("alice:t0")


async def test_no_more_is_remembered_than_the_limit(door, monkeypatch):
    monkeypatch.setattr(auth, "REMEMBERED_MAX", 2)
    door.put(replace(ALICE, tokens=tuple(LoginToken(token_digest(f"t{n}"), -1) for n in range(5))))
    for n in range(5):
        await door.uid(f"alice:t{n}")
    assert door.authenticator.remembered("alice:t4") is not None
    assert sum(door.authenticator.remembered(f"alice:t{n}") is not None for n in range(5)) <= 2

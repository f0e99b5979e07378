"""Sessions: passwords, tokens, what is remembered and when it is forgotten."""

import asyncio
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from tests.engine.fake_store import FakeStore
from trifid.core.user import LoginToken, User
from trifid.engine import auth
from trifid.engine.auth import REMEMBER_S, Authenticator, hash_password, password_matches, token_digest
from trifid.engine.authentication.passwords import SECRET_BYTES_MAX, Hasher, old_hash, scrypt
from trifid.engine.authentication.throttle import TRIES_OF_ADDRESS, TRIES_OF_BOTH, TRIES_OF_USER
from trifid.engine.memory import Memory
from trifid.engine.transaction import Draft
from trifid.errors import Internal, NotAuthenticated
from trifid.store.interface import Batch

KEPT = hash_password("secret", salt=b"0123456789abcdef")
ALICE = User(7, "alice", (1, 100), password=KEPT)


class Door:
    """An authenticator over a memory whose users and clock the test changes; it counts slow hashes.

    Attributes:
        hashed: what was hashed, in its order.
        while_hashing: called in the thread that hashes, once.
    """

    def __init__(self) -> None:
        self.memory = Memory(FakeStore().load())
        self.now = 1000
        self.hashed: list[str] = []
        self.while_hashing = None
        self.authenticator = Authenticator(
            self.memory, lambda: self.now, ask=self.ask, hasher=Hasher(self.slow), monotonic=lambda: float(self.now)
        )
        self.put(ALICE)

    def slow(self, password: str, salt: bytes) -> bytes:
        self.hashed.append(password)
        if self.while_hashing is not None:
            once, self.while_hashing = self.while_hashing, None
            once()
        return scrypt(password, salt)

    async def ask(self, command):
        draft = Draft(self.memory, self.now)
        answer = command(draft)
        self.memory.adopt(draft.batch)
        return answer

    def put(self, user: User) -> None:
        self.memory.adopt(Batch(users={user.id: user}))

    async def uid(self, session: str, peer: str = "10.0.0.9:1") -> int:
        return (await self.authenticator.caller(session, peer)).uid


@pytest.fixture
def door():
    return Door()


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


@pytest.mark.parametrize(
    "session",
    [
        *("alice:wrong", "bob:secret", "nopass:secret", "outside:secret", "old:wrong", "older:wrong", "odd:secret"),
        *("disabled:secret", "disabled:t0", "alice:expired", "alice:left", "alice", "alice:", ":", ""),
        f"alice:{'x' * (SECRET_BYTES_MAX + 1)}",
    ],
)
async def test_whatever_is_wrong_costs_one_hash(door, session):
    tokens = (LoginToken(token_digest("expired"), 999), LoginToken(token_digest("left"), -1, egid=55))
    door.put(replace(ALICE, tokens=tokens))
    door.put(User(8, "nopass", (1,)))
    door.put(User(9, "outside", (1,), password="-", auth_driver="ldap"))
    door.put(User(10, "old", (1,), password=f"sha1${hashlib.sha1(b'secret').hexdigest()}"))
    door.put(User(11, "older", (1,), password=f"sha256${hashlib.sha256(b'secret').hexdigest()}"))
    door.put(User(12, "odd", (1,), password="scrypt$0$zz"))
    door.put(User(13, "disabled", (1,), KEPT, enabled=False, tokens=(LoginToken(token_digest("t0"), -1),)))
    with pytest.raises(NotAuthenticated) as refused:
        await door.uid(session)
    assert refused.value.message == "User couldn't be authenticated, aborting call."
    assert len(door.hashed) == 1


async def test_a_secret_that_is_too_long_is_not_even_hashed(door):
    for length in (SECRET_BYTES_MAX, SECRET_BYTES_MAX + 1):
        with pytest.raises(NotAuthenticated):
            await door.uid(f"alice:{'x' * length}")
    assert [len(text) for text in door.hashed] == [SECRET_BYTES_MAX, 0]


async def test_a_secret_may_be_any_text(door):
    door.put(replace(ALICE, password=hash_password("pässwörd \U0001f511")))
    assert await door.uid("alice:pässwörd \U0001f511") == 7
    with pytest.raises(NotAuthenticated):
        await door.uid("alice:\ud800")


async def test_a_user_without_a_password_cannot_log_in_with_one(door):
    door.put(User(8, "nopass", (1,)))
    with pytest.raises(NotAuthenticated):
        await door.uid("nopass:")


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_a_hash_of_another_installation_is_replaced_at_the_next_login(door, algorithm):
    digest = hashlib.new(algorithm, b"secret").hexdigest()
    door.put(replace(ALICE, password=old_hash(digest.upper()), tokens=(LoginToken(token_digest("t0"), -1),)))
    assert await door.uid("alice:secret") == 7
    user = door.memory.users[7]
    assert password_matches("secret", user.password) and user.password.startswith("scrypt$")
    assert user.tokens, "tokens stay"
    assert door.authenticator.remembered("alice:secret") is not None
    with pytest.raises(NotAuthenticated):
        await door.uid(f"alice:{digest}")


async def test_a_login_works_when_the_old_hash_cannot_be_replaced(door, caplog):
    async def refuses(command):
        raise Internal("the database refuses")

    door.authenticator._ask = refuses
    old = old_hash(hashlib.sha1(b"secret").hexdigest())
    door.put(replace(ALICE, password=old))
    assert await door.uid("alice:secret") == 7
    assert door.memory.users[7].password == old
    assert "the database refuses" in caplog.text


async def test_a_new_password_is_not_lost_to_the_replacement_of_an_old_hash(door):
    other = hash_password("other")
    door.put(replace(ALICE, password=old_hash(hashlib.sha1(b"secret").hexdigest())))
    door.while_hashing = lambda: door.put(replace(ALICE, password=other))
    with pytest.raises(NotAuthenticated):
        await door.uid("alice:secret")
    assert door.memory.users[7].password == other


@pytest.mark.parametrize("text", ["", "scrypt$00$00", "a" * 39, "g" * 40, "a" * 63, "sha1$" + "a" * 40])
def test_what_is_no_hash_of_another_installation(text):
    assert old_hash(text) is None


async def test_a_disabled_user_is_refused_with_the_right_password(door):
    door.put(replace(ALICE, enabled=False))
    with pytest.raises(NotAuthenticated):
        await door.uid("alice:secret")


async def test_a_session_is_hashed_once_in_a_while(door):
    for _ in range(3):
        await door.uid("alice:secret")
    assert len(door.hashed) == 1
    door.now += REMEMBER_S
    assert door.authenticator.remembered("alice:secret") is None
    await door.uid("alice:secret")
    assert len(door.hashed) == 2


async def test_sessions_that_come_at_the_same_time_are_hashed_once(door):
    assert await asyncio.gather(*(door.uid("alice:secret") for _ in range(20))) == [7] * 20
    assert len(door.hashed) == 1


async def test_many_users_may_come_from_one_address_at_the_same_time(door):
    for number in range(100, 100 + TRIES_OF_ADDRESS * 2):
        door.put(User(number, f"user{number}", (1,), password=KEPT))
    sessions = [f"user{number}:secret" for number in range(100, 100 + TRIES_OF_ADDRESS * 2)]
    assert await asyncio.gather(*map(door.uid, sessions)) == [*range(100, 100 + TRIES_OF_ADDRESS * 2)]


async def test_guesses_at_the_same_time_are_no_more_than_one_after_the_other(door):
    guesses = [door.uid(f"alice:guess{number}") for number in range(50)]
    said = [str(answer) for answer in await asyncio.gather(*guesses, return_exceptions=True)]
    assert len(door.hashed) == TRIES_OF_BOTH
    assert sum("too many wrong tries" in text for text in said) == 50 - TRIES_OF_BOTH


async def test_a_session_that_was_right_does_not_wait_for_guesses_from_the_same_address(door):
    await door.uid("alice:secret")
    for number in range(TRIES_OF_BOTH):
        with pytest.raises(NotAuthenticated):
            await door.uid(f"alice:guess{number}")
    door.put(replace(ALICE, gids=(1,)))
    assert await door.uid("alice:secret") == 7, "what lets it in is the same"
    door.put(replace(ALICE, password=hash_password("other")))
    with pytest.raises(NotAuthenticated, match="too many wrong tries"):
        await door.uid("alice:secret")


async def test_an_answer_about_a_user_that_many_guess_at_is_late_but_not_where_it_came_in_before(door):
    late: list[float] = []

    async def sleep(seconds: float) -> None:
        late.append(seconds)

    door.authenticator._sleep = sleep
    assert await door.uid("alice:secret", peer="10.0.0.1:1") == 7
    for number in range(TRIES_OF_USER):
        with pytest.raises(NotAuthenticated):
            await door.uid(f"alice:guess{number}", peer=f"10.1.0.{number}:1")
    door.now += REMEMBER_S - 1  # less than it takes to forget them all
    for number in range(TRIES_OF_USER):
        with pytest.raises(NotAuthenticated):
            await door.uid(f"alice:guess{number}", peer=f"10.2.0.{number}:1")
    late.clear()
    door.now += 2
    assert await door.uid("alice:secret", peer="10.0.0.1:1") == 7
    assert late == []
    door.put(replace(ALICE, password=hash_password("new")))
    assert await door.uid("alice:new", peer="10.0.0.2:1") == 7
    assert late == [0.25]


@pytest.mark.parametrize("change", [{"enabled": False}, {"password": hash_password("other")}, None])
async def test_what_changes_during_the_check_counts(door, change):
    changed = Batch(users={7: None if change is None else replace(ALICE, **change)})
    door.while_hashing = lambda: door.memory.adopt(changed)
    with pytest.raises(NotAuthenticated):
        await door.uid("alice:secret")


async def test_who_gives_up_does_not_take_the_answer_of_others_along(door):
    first, second = asyncio.create_task(door.uid("alice:secret")), asyncio.create_task(door.uid("alice:secret"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 7


async def test_a_wrong_password_is_never_remembered(door):
    for _ in range(2):
        with pytest.raises(NotAuthenticated):
            await door.uid("alice:wrong")
    assert len(door.hashed) == 2


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
    assert door.hashed == []
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
        await door.uid(f"alice:t{n}", peer=f"10.0.0.{n}:1")
    assert door.authenticator.remembered("alice:t4") is not None
    assert sum(door.authenticator.remembered(f"alice:t{n}") is not None for n in range(5)) <= 2

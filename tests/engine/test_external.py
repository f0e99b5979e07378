"""What the engine asks the authentication driver, and what it believes of its answers."""

import asyncio
import base64

import pytest
from msgspec.structs import replace

from tests.engine.world import World, answer
from trifid.core.user import Group, User
from trifid.engine.auth import Authenticator
from trifid.engine.authentication.external import AT_ONCE_MAX, SILENT_MAX, Denied, External, Passed, Unheard, without
from trifid.engine.authentication.passwords import Hasher
from trifid.engine.config import AuthenticationSettings
from trifid.engine.queries import OID_MAX, TIMEOUT_S, Queries
from trifid.errors import NotAuthenticated

SECRET = "open sesame"
ENCODED = base64.b64encode(SECRET.encode()).decode()
ALICE = User(7, "alice", (1,), password="CN=alice", auth_driver="mine")


class Play:
    """An authenticator whose driver is played by the test."""

    def __init__(self) -> None:
        self.world = World()
        self.driver = self.world.ds
        self.restarts = 0
        self.driver.restart = self.restarted
        self.settings = AuthenticationSettings(methods=["mine", "other"], driver="dummy", default="mine")
        self.world.drivers._drivers["auth", "dummy"] = self.driver
        self.queries = Queries(self.world.drivers, call_later=self.world.clock.call_later)
        self.external = External(self.queries, self.world.drivers, self.settings)
        self.now = 1000
        self.hashes = 0
        self.authenticator = Authenticator(
            self.world.memory,
            lambda: self.now,
            ask=self.world.turns.ask,
            external=self.external,
            default="mine",
            hasher=Hasher(self.hashed),
            monotonic=lambda: 0.0,
        )

    def restarted(self) -> None:
        self.restarts += 1

    def hashed(self, password: str, salt: bytes) -> bytes:
        self.hashes += 1
        return b"-"

    async def put(self, *records) -> None:
        def command(draft):
            for record in records:
                draft.put(record)

        await self.world.turns.ask(command)

    async def asks(self, coroutine) -> asyncio.Task:
        """Begin to ask; the driver has been asked when this returns."""
        before = len(self.driver.sent)
        task = asyncio.ensure_future(coroutine)
        while len(self.driver.sent) == before and not task.done():
            await asyncio.sleep(0)
        return task

    def says(self, status: str, payload: str, number: int = 0) -> None:
        self.queries.said(self.driver, answer("AUTHENTICATE", OID_MAX - number, status, payload))

    async def logs_in(self, session: str, status: str, payload: str, number: int = 0) -> User:
        """Return the user that a session is of, when the driver answers like this."""
        task = await self.asks(self.authenticator.caller(session))
        self.says(status, payload, number)
        return self.world.memory.users[(await task).uid]


@pytest.fixture
async def play():
    play = Play()
    await play.put(Group(1, "users"), Group(100, "staff"), ALICE)
    yield play
    await play.world.turns.close()


async def test_a_user_is_asked_about_with_what_is_kept_of_it(play):
    task = await play.asks(play.external.known(ALICE, SECRET))
    assert play.driver.sent == [f"AUTHENTICATE  {OID_MAX} 7 mine alice CN=alice {ENCODED}\n".encode()]
    play.says("SUCCESS", "-")
    assert await task == Passed()


async def test_a_stranger_is_asked_about_as_nobody(play):
    task = await play.asks(play.external.unknown("bob", SECRET))
    assert play.driver.sent == [f"AUTHENTICATE  {OID_MAX} -1 mine bob - {ENCODED}\n".encode()]
    play.says("FAILURE", "no such badge")
    with pytest.raises(Denied, match="no such badge"):
        await task


@pytest.mark.parametrize(
    ("payload", "until"),
    [("UNTIL=1500", 1500), ("UNTIL=x", None), ("UNTIL=", None), (f"UNTIL={'9' * 20}", None), ("mine alice x", None)],
)
async def test_how_long_a_login_holds_is_believed_if_it_is_a_time(play, payload, until):
    task = await play.asks(play.external.known(ALICE, SECRET))
    play.says("SUCCESS", payload)
    assert await task == Passed(until)


async def test_a_login_that_ends_is_remembered_no_longer(play):
    await play.logs_in(f"alice:{SECRET}", "SUCCESS", "UNTIL=1010")
    assert play.authenticator.remembered(f"alice:{SECRET}") is not None
    play.now = 1010
    assert play.authenticator.remembered(f"alice:{SECRET}") is None


async def test_a_login_is_remembered_until_the_user_changes(play):
    await play.logs_in(f"alice:{SECRET}", "SUCCESS", "-")
    await play.authenticator.caller(f"alice:{SECRET}")
    assert len(play.driver.sent) == 1
    await play.put(replace(ALICE, password="CN=other"))
    task = await play.asks(play.authenticator.caller(f"alice:{SECRET}"))
    play.says("FAILURE", "no", number=1)
    with pytest.raises(NotAuthenticated):
        await task


async def test_who_comes_for_the_first_time_is_made_a_user(play):
    user = await play.logs_in(f"bob:{SECRET}", "SUCCESS", "mine bob CN=bob *100 1 100")
    assert (user.name, user.auth_driver, user.password, user.gids) == ("bob", "mine", "CN=bob", (100, 1))
    assert play.world.memory.groups[100].admins == (user.id,)
    other = await play.logs_in(f"eve:{SECRET}", "SUCCESS", "mine eve", number=1)
    assert (other.password, other.gids) == ("-", (1,))


async def test_who_writes_its_name_in_another_way_is_the_same_user(play):
    assert (await play.logs_in(f"Alice:{SECRET}", "SUCCESS", "mine alice -")).id == ALICE.id


@pytest.mark.parametrize(
    "payload",
    [
        *("-", "mine", "core bob -", "public bob -", "x509 bob -", "mine b<b -", "mine a:b -", f"mine {'b' * 129} -"),
        *("mine bob - x", "mine bob - -1", "mine bob - 99", "mine bob - 100 0x1", f"mine bob - {'1' * 30}"),
        *(f"mine bob {'x' * 5000}", "mine oneadmin -", f"mine bob - {'1 ' * 200}"),
    ],
)
async def test_of_an_answer_that_cannot_be_no_user_is_made(play, payload, caplog):
    await play.put(User(0, "oneadmin", (1,), password="x"))
    before = dict(play.world.memory.users)
    task = await play.asks(play.authenticator.caller(f"bob:{SECRET}"))
    play.says("SUCCESS", payload)
    with pytest.raises(NotAuthenticated) as refused:
        await task
    assert refused.value.message == "User couldn't be authenticated, aborting call."
    assert play.world.memory.users == before


async def test_a_user_of_another_method_is_not_taken_over(play):
    await play.put(User(8, "carol", (1,), password="-", auth_driver="other"))
    task = await play.asks(play.authenticator.caller(f"CAROL:{SECRET}"))
    play.says("SUCCESS", "mine carol -")
    with pytest.raises(NotAuthenticated):
        await task


@pytest.mark.parametrize(
    "session", ["alice:", "alice", "bob:", "b b:x", "b\n:x", f"{'b' * 129}:x", f"bob:{'x' * 4097}"]
)
async def test_the_driver_is_not_asked_about_what_can_only_be_wrong(play, session):
    with pytest.raises(NotAuthenticated):
        await play.authenticator.caller(session)
    assert (play.driver.sent, play.hashes) == ([], 1)


async def test_the_driver_is_not_asked_about_who_is_disabled_or_of_a_method_that_is_gone(play):
    for change in ({"enabled": False}, {"auth_driver": "gone"}, {"auth_driver": "public"}):
        await play.put(replace(ALICE, **change))
        with pytest.raises(NotAuthenticated):
            await play.authenticator.caller(f"alice:{SECRET}")
    assert (play.driver.sent, play.hashes) == ([], 3)


@pytest.mark.parametrize(
    ("follow", "payload", "gids"),
    [
        (False, "mine alice x 100", (1,)),
        (True, "mine alice x 100", (100,)),
        (True, "mine alice x 100 1", (1, 100)),
        (True, "mine alice x", (1,)),
        (True, "mine alice x 99", (1,)),
        (True, "-", (1,)),
    ],
)
async def test_groups_follow_what_the_driver_names_if_they_shall(play, follow, payload, gids):
    play.settings.groups_follow = follow
    assert (await play.logs_in(f"alice:{SECRET}", "SUCCESS", payload)).gids == gids
    assert play.authenticator.remembered(f"alice:{SECRET}").gids == gids


async def test_who_is_in_no_group_of_the_directory_any_more_keeps_none_here(play):
    play.settings.groups_follow = True
    await play.put(Group(100, "staff"), replace(ALICE, gids=(100, 0)))
    assert (await play.logs_in(f"alice:{SECRET}", "SUCCESS", "mine alice x")).gids == (1,)


async def test_without_a_default_strangers_are_strangers(play):
    play.authenticator._default = ""
    with pytest.raises(NotAuthenticated):
        await play.authenticator.caller(f"bob:{SECRET}")
    assert play.driver.sent == []


async def test_a_driver_that_is_silent_is_not_waited_for_and_in_the_end_started_again(play):
    for number in range(SILENT_MAX):
        assert play.restarts == 0
        task = await play.asks(play.external.known(ALICE, f"{SECRET}{number}"))
        play.world.clock.pass_by(TIMEOUT_S)
        with pytest.raises(Unheard, match="did not answer AUTHENTICATE"):
            await task
    assert play.restarts == 1


async def test_an_answer_in_between_shows_that_the_driver_is_not_stuck(play):
    for number in range(SILENT_MAX * 2):
        task = await play.asks(play.external.known(ALICE, SECRET))
        if number % SILENT_MAX == 1:
            play.says("FAILURE", "no", number=number)
        else:
            play.world.clock.pass_by(TIMEOUT_S)
        with pytest.raises((Unheard, Denied)):
            await task
    assert play.restarts == 0


async def test_no_more_is_asked_at_once_than_the_driver_can_do(play):
    tasks = [await play.asks(play.external.known(ALICE, f"{SECRET}{n}")) for n in range(AT_ONCE_MAX + 1)]
    with pytest.raises(Unheard, match="64 logins already"):
        await tasks.pop()
    for number in range(AT_ONCE_MAX):
        play.says("SUCCESS", "-", number=number)
    assert await asyncio.gather(*tasks) == [Passed()] * AT_ONCE_MAX
    task = await play.asks(play.external.known(ALICE, SECRET))
    assert not task.done()
    task.cancel()


@pytest.mark.parametrize("text", [f"no {SECRET}", f"no {ENCODED}", "no open%20sesame", "x" * 5000 + SECRET])
async def test_a_secret_is_not_in_the_reason_that_is_logged(play, text, caplog):
    caplog.set_level("INFO")
    task = await play.asks(play.authenticator.caller(f"alice:{SECRET}"))
    play.says("FAILURE", text)
    with pytest.raises(NotAuthenticated):
        await task
    assert "mine denies alice: a reason that is not shown" in caplog.text
    assert SECRET not in caplog.text and ENCODED not in caplog.text


def test_a_reason_is_one_short_line():
    assert without("a\nb\x1b[2Jc", SECRET) == "a?b?[2Jc"
    assert len(without("x" * 5000, SECRET)) == 300

"""How users log in: what is kept of them, what checks it, and who may change that."""

import hashlib

import pytest
from msgspec.structs import replace

from tests.methods.world import ADMIN, ALICE, ALICE_ID, BOB, BOB_ID, STAFF_GID, Refusal
from trifid.engine.auth import password_matches
from trifid.engine.authentication.throttle import TRIES_OF_BOTH
from trifid.wire.elements import one_element, several

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIBLqZ4YjwXo4"
REFUSED = "User couldn't be authenticated, aborting call."


@pytest.fixture
def methods(world):
    """Ways of authentication that are configured; their driver never comes up."""
    found = world.engine.config.authentication.methods
    found += ["ssh", "ldap"]
    return found


async def kept(world, user_id=ALICE_ID):
    user = world.memory.users[user_id]
    return user.auth_driver, user.password


async def test_a_user_is_made_for_any_driver_that_is_configured(world, methods):
    for driver, password in (("ssh", KEY), ("ldap", "-"), ("public", "")):
        user_id = await world.ask(ADMIN, "one.user.allocate", f"of-{driver}", password, driver, [])
        assert await kept(world, user_id) == (driver, password or "-")
    user_id = await world.ask(ADMIN, "one.user.allocate", "of-core", "pw", "", [])
    driver, password = await kept(world, user_id)
    assert (driver, password_matches("pw", password)) == ("core", True)


@pytest.mark.parametrize(
    ("password", "driver", "text"),
    [
        ("pw", "x509", "authentication driver x509 is not configured; there are core, public, ssh, ldap."),
        ("", "core", "Invalid password, it cannot be empty."),
        ("", "ldap", "Invalid password, it cannot be empty."),
        ("x" * 4097, "core", "Invalid password, it is longer than 4096 bytes."),
        ("two words", "ldap", "Invalid password, what is kept of a user for ldap is one word, - for nothing."),
    ],
)
async def test_what_cannot_be_kept_is_refused_and_not_quoted(world, methods, password, driver, text):
    with pytest.raises(Refusal) as refused:
        await world.ask(ADMIN, "one.user.allocate", "carol", password, driver, [])
    assert (refused.value.code, refused.value.text) == (0x2000, f"[one.user.allocate] {text}")


async def test_an_administrator_changes_what_checks_a_user(world, methods):
    assert await world.ask(ADMIN, "one.user.chauth", ALICE_ID, "ldap", "") == ALICE_ID
    assert await kept(world) == ("ldap", "-")
    assert await world.code(ALICE, "one.user.info", -1) == 0x0100, "its tokens are cleared"
    assert await world.ask(ADMIN, "one.user.chauth", ALICE_ID, "core", "new") == ALICE_ID
    assert await world.code("alice:new", "one.user.info", -1) == 0


async def test_a_driver_that_stays_keeps_what_is_kept_unless_there_is_a_new_one(world, methods):
    await world.ask(ADMIN, "one.user.chauth", ALICE_ID, "ssh", KEY)
    await world.ask(ADMIN, "one.user.chauth", ALICE_ID, "ssh", "")
    assert await kept(world) == ("ssh", KEY)


@pytest.mark.parametrize(
    ("driver", "password", "text"),
    [
        ("x509", "pw", "is not configured"),
        ("core", "", "it cannot be empty"),
        ("ssh", "two words", "as oneuser key prints it"),
    ],
)
async def test_a_change_to_what_cannot_be_is_refused(world, methods, driver, password, text):
    await world.ask(ADMIN, "one.user.chauth", ALICE_ID, "ldap", "")
    with pytest.raises(Refusal, match=text) as refused:
        await world.ask(ADMIN, "one.user.chauth", ALICE_ID, driver, password)
    assert refused.value.code == 0x0800
    assert await kept(world) == ("ldap", "-")


async def test_the_first_administrator_is_not_locked_out(world):
    assert await world.code(ADMIN, "one.user.chauth", 0, "public", "") == 0x0800
    assert await world.code(ADMIN, "one.user.info", -1) == 0


async def test_users_do_not_change_what_checks_themselves(world, methods):
    assert await world.code(ALICE, "one.user.chauth", ALICE_ID, "public", "") == 0x0200
    assert await world.code(BOB, "one.user.chauth", ALICE_ID, "core", "mine") == 0x0200


async def test_users_of_ssh_set_their_own_keys_and_those_of_a_directory_nothing(world, methods):
    await world.ask(ADMIN, "one.user.chauth", ALICE_ID, "ssh", KEY)
    session = f"alice:{await world.ask(ADMIN, 'one.user.login', 'alice', 'made', 600, STAFF_GID)}"
    assert await world.code(session, "one.user.passwd", -1, KEY) == 0x0200, "not with a token of one group"
    await world.change("users", ALICE_ID, tokens=await tokens_of_all_groups(world))
    await world.ask(ALICE, "one.user.passwd", -1, f"{KEY},{KEY}")
    assert await kept(world) == ("ssh", f"{KEY},{KEY}")
    await world.change("users", ALICE_ID, auth_driver="ldap", tokens=await tokens_of_all_groups(world))
    with pytest.raises(Refusal, match="the password of user alice is where ldap looks for it"):
        await world.ask(ALICE, "one.user.passwd", -1, "new")
    await world.ask(ADMIN, "one.user.passwd", ALICE_ID, "CN=alice")
    assert await kept(world) == ("ldap", "CN=alice")


async def tokens_of_all_groups(world):
    from tests.methods.world import user

    return user(ALICE_ID, "alice", 1).tokens


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_a_hash_of_another_installation_is_taken_once(world, algorithm):
    digest = hashlib.new(algorithm, b"from there").hexdigest()
    await world.ask(ADMIN, "trifid.user.import_hash", ALICE_ID, digest)
    assert await world.code("alice:wrong", "one.user.info", -1) == 0x0100
    assert await world.code(f"alice:{digest}", "one.user.info", -1) == 0x0100, "the hash itself is no password"
    assert await world.code("alice:from there", "one.user.info", -1) == 0
    assert world.memory.users[ALICE_ID].password.startswith("scrypt$")


@pytest.mark.parametrize("text", ["", "secret", "0" * 39, "scrypt$00$00"])
async def test_what_is_no_hash_is_not_imported_and_not_quoted(world, text):
    with pytest.raises(Refusal, match=r"64 hex digits .* nothing before or after$"):
        await world.ask(ADMIN, "trifid.user.import_hash", ALICE_ID, text)


async def test_a_hash_is_for_users_of_core(world, methods):
    await world.ask(ADMIN, "one.user.chauth", ALICE_ID, "ldap", "")
    assert await world.code(ADMIN, "trifid.user.import_hash", ALICE_ID, "0" * 40) == 0x0800


async def test_a_list_shows_what_a_token_is_called_and_that_clears_it(world):
    made = [await world.ask(ALICE, "one.user.login", "alice", "", 600) for _ in range(2)]
    document = await world.ask(ALICE, "one.user.info", -1)
    names = [one["TOKEN"] for one in several(one_element(document, "USER")["LOGIN_TOKEN"])]
    assert len(set(names)) == 3 and not set(names) & set(made)
    assert await world.code(f"alice:{names[2]}", "one.user.info", -1) == 0x0100, "it is not the token"
    await world.ask(ALICE, "one.user.login", "alice", names[2], 0)
    assert await world.code(f"alice:{made[1]}", "one.user.info", -1) == 0x0100
    assert await world.code(f"alice:{made[0]}", "one.user.info", -1) == 0


async def test_a_token_that_could_never_be_used_is_not_made(world):
    assert await world.code(ALICE, "one.user.login", "alice", "x" * 4097, 600) == 0x1000


REVOKED = {
    "password": ("one.user.passwd", ALICE_ID, "new"),
    "disabled": ("one.user.enable", ALICE_ID, False),
    "cleared": ("one.user.login", "alice", "", 0),
    "driver": ("one.user.chauth", ALICE_ID, "public", ""),
    "hash": ("trifid.user.import_hash", ALICE_ID, "0" * 64),
}


@pytest.mark.parametrize("how", REVOKED)
async def test_a_token_is_taken_back_at_once(world, how):
    session = f"alice:{await world.ask(ALICE, 'one.user.login', 'alice', '', 600)}"
    assert await world.code(session, "one.user.info", -1) == 0, "and is remembered"
    method, *arguments = REVOKED[how]
    await world.ask(ADMIN, method, *arguments)
    assert await world.code(session, "one.user.info", -1) == 0x0100


async def test_who_guesses_has_to_wait_whether_the_user_exists_or_not(world):
    for name in ("alice", "nobody"):
        texts = []
        for _ in range(TRIES_OF_BOTH + 1):
            with pytest.raises(Refusal) as refused:
                await world.ask(f"{name}:wrong", "one.user.info", -1)
            assert refused.value.code == 0x0100
            texts.append(refused.value.text)
        asked = f"[one.user.info] {REFUSED}"
        assert texts == [asked] * TRIES_OF_BOTH + [f"{asked} There were too many wrong tries: wait 1 s."]
    assert await world.code(BOB, "one.user.info", -1) == 0


async def test_a_driver_that_is_down_lets_nobody_in_and_nobody_wait(world, methods, caplog):
    world.engine.drivers._drivers.clear()
    await world.ask(ADMIN, "one.user.chauth", ALICE_ID, "ldap", "")
    for _ in range(TRIES_OF_BOTH * 2):
        with pytest.raises(Refusal, match=f"{REFUSED}$"):
            await world.ask("alice:secret of alice", "one.user.info", -1)
    assert "auth driver trifid is not configured" in caplog.text
    assert "secret of alice" not in caplog.text


@pytest.mark.parametrize("is_deleted", [False, True], ids=["disabled", "deleted"])
async def test_a_call_that_waits_changes_nothing_for_whom_is_not_let_in_any_more(world, monkeypatch, is_deleted):
    before = world.memory.users[BOB_ID]

    async def slow(password):
        if is_deleted:
            await world.ask(ADMIN, "one.user.delete", BOB_ID)
        else:
            await world.ask(ADMIN, "one.user.enable", BOB_ID, False)
        return "scrypt$00$00"

    made = world.memory.counters["user"]
    await world.ask(ADMIN, "one.acl.addrule", f"{1 << 32 | BOB_ID:x}", f"{1 << 40 | 1 << 34:x}", "8")
    monkeypatch.setattr(world.engine.auth, "hashed", slow)
    assert await world.code(BOB, "one.user.allocate", "late", "pw", "", [1]) == 0x0100
    assert world.memory.counters["user"] == made
    assert world.memory.users.get(BOB_ID) in (None, replace(before, enabled=False))

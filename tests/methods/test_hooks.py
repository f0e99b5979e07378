"""one.hook.*: checked, kept for administrators, secrets shown to nobody who does not ask for them."""

import pytest

from tests.methods.world import ADMIN, ALICE, HOST_ID, IMAGE_ID, NETWORK_ID, Refusal
from trifid.core.hook import HookExecution
from trifid.core.hook_define import entered
from trifid.wire.elements import iter_elements, one_element

HOOK = 'NAME=up\nTYPE=state\nRESOURCE=VM\nON=RUNNING\nCOMMAND=tell.sh\nARGUMENTS="$ID"'
API_HOOK = 'NAME=made\nTYPE=api\nCALL=one.vm.allocate\nCOMMAND=tell.sh\nARGUMENTS="$API"'
SECRET = "correct horse battery staple"
WEBHOOK = f'NAME=chat\nTYPE=webhook\nURL=https://chat.example.org/in\nFILTER="kind=VM"\nSECRET="{SECRET}"'


async def refusal(world, method, *arguments):
    with pytest.raises(Refusal) as refused:
        await world.ask(ADMIN, method, *arguments)
    return refused.value


async def shown(world, hook_id, decrypt=False):
    return one_element(await world.ask(ADMIN, "one.hook.info", hook_id, decrypt), "HOOK")


async def test_a_hook_is_shown_as_today_s_clients_know_it(world):
    hook_id = await world.ask(ADMIN, "one.hook.allocate", HOOK)
    assert hook_id == 0
    hook = await shown(world, hook_id)
    assert (hook["NAME"], hook["TYPE"]) == ("up", "state")
    assert hook["TEMPLATE"] == {
        "ARGUMENTS": "$ID",
        "COMMAND": "tell.sh",
        "LCM_STATE": "RUNNING",
        "RESOURCE": "VM",
        "STATE": "ACTIVE",
    }
    (listed,) = iter_elements(await world.ask(ADMIN, "one.hookpool.info"), "HOOK")
    assert listed["NAME"] == "up"
    assert "HOOKLOG" not in listed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("NAME=h", "[one.hook.allocate] Invalid Hook type: "),
        ("NAME=[", "[one.hook.allocate] Parse error: "),
        (HOOK.replace("tell.sh", "/bin/sh"), "hooks run programs of that directory only"),
        (API_HOOK.replace("allocate", "alocate"), "one.vm.alocate is no method of this engine: did you mean one.vm."),
    ],
)
async def test_what_is_no_hook_is_refused_as_a_bad_template(world, text, told):
    refused = await refusal(world, "one.hook.allocate", text)
    assert refused.code == 0x2000
    assert told in refused.text


async def test_a_name_is_given_once(world):
    await world.ask(ADMIN, "one.hook.allocate", HOOK)
    refused = await refusal(world, "one.hook.allocate", HOOK)
    assert (refused.code, refused.text) == (0x2000, "[one.hook.allocate] NAME is already taken by HOOK 0.")
    other = await world.ask(ADMIN, "one.hook.allocate", HOOK.replace("NAME=up", "NAME=other"))
    assert (await refusal(world, "one.hook.rename", other, "up")).code == 0x0800
    assert await world.ask(ADMIN, "one.hook.rename", other, "again") == other


async def test_no_rule_makes_a_hook_anybody_else_s(world):
    await world.ask(ADMIN, "one.hook.allocate", HOOK)
    everybody, all_hooks, everything = "400000000", "80000400000000", "f"
    await world.ask(ADMIN, "one.acl.addrule", everybody, all_hooks, everything)
    assert await world.code(ALICE, "one.hook.info", 0) == 0x0200
    assert await world.code(ALICE, "one.hook.allocate", HOOK.replace("up", "x")) == 0x0200
    assert await world.ask(ALICE, "one.hookpool.info") == "<HOOK_POOL></HOOK_POOL>"


async def test_a_secret_is_shown_only_to_who_asks_for_it_and_stays_when_an_update_does_not_name_it(world):
    hook_id = await world.ask(ADMIN, "one.hook.allocate", WEBHOOK)
    hidden = await world.ask(ADMIN, "one.hook.info", hook_id) + await world.ask(ADMIN, "one.hookpool.info")
    assert SECRET not in hidden
    assert (await shown(world, hook_id))["TEMPLATE"] == {
        "ARGUMENTS": "kind=VM",
        "COMMAND": "https://chat.example.org/in",
    }
    await world.ask(ADMIN, "one.hook.update", hook_id, "URL=https://chat.example.org/other", 0)
    (told,) = [world.memory.hooks[hook_id].template]
    assert (told.single("COMMAND"), told.single("ARGUMENTS"), told.single("SECRET")) == (
        "https://chat.example.org/other",
        "",
        SECRET,
    )
    await world.ask(ADMIN, "one.hook.update", hook_id, f'SECRET="{SECRET}2"', 1)
    assert world.memory.hooks[hook_id].template.single("SECRET") == f"{SECRET}2"
    assert world.memory.hooks[hook_id].template.single("COMMAND") == "https://chat.example.org/other"


async def test_an_update_is_checked_like_a_new_hook_and_keeps_what_it_was(world):
    hook_id = await world.ask(ADMIN, "one.hook.allocate", HOOK)
    before = world.memory.hooks[hook_id]
    for text in ("COMMAND=/bin/sh", "TYPE=api", "STATE=FLYING", "COMMAND="):
        assert await world.code(ADMIN, "one.hook.update", hook_id, text, 1) == 0x0800
    assert await world.code(ADMIN, "one.hook.update", hook_id, "COMMAND=x", 7) == 0x1000
    assert world.memory.hooks[hook_id] == before
    await world.ask(ADMIN, "one.hook.update", hook_id, "ON=DONE", 1)
    assert world.memory.hooks[hook_id].template.single("STATE") == "DONE"


async def test_a_changed_hook_is_not_for_what_happened_before_whenever_the_engine_starts_again(world):
    hook_id = await world.ask(ADMIN, "one.hook.allocate", HOOK)
    await world.ask(ADMIN, "one.image.enable", IMAGE_ID, False)
    before = world.memory.journal_id
    await world.ask(ADMIN, "one.hook.update", hook_id, "COMMAND=x\nRESOURCE=IMAGE\nSTATE=DISABLED", 0)
    assert world.memory.hooks[hook_id].cursor >= before


async def test_a_locked_hook_cannot_be_changed_until_it_is_unlocked(world):
    hook_id = await world.ask(ADMIN, "one.hook.allocate", HOOK)
    await world.ask(ADMIN, "one.hook.lock", hook_id, 4)
    assert (await shown(world, hook_id))["LOCK"]["LOCKED"] == "1"
    for name, arguments in (("update", ("COMMAND=x", 1)), ("rename", ("x",)), ("delete", ())):
        assert await world.code(ADMIN, f"one.hook.{name}", hook_id, *arguments) == 0x0200
    await world.ask(ADMIN, "one.hook.unlock", hook_id)
    await world.ask(ADMIN, "one.hook.rename", hook_id, "x")


async def test_the_log_is_asked_for_by_time_hook_and_outcome_and_goes_with_its_hook(world):
    first = await world.ask(ADMIN, "one.hook.allocate", HOOK)
    second = await world.ask(ADMIN, "one.hook.allocate", HOOK.replace("up", "other"))
    for hook_id, number, at, code in ((first, 0, 100, 0), (first, 1, 200, 1), (second, 0, 300, 0)):
        await world.put(HookExecution(hook_id, number, at, "3", "/x", "out", "", code))

    async def log(*asked):
        found = iter_elements(await world.ask(ADMIN, "one.hooklog.info", *asked), "HOOK_EXECUTION_RECORD")
        return [(int(one["HOOK_ID"]), int(one["EXECUTION_ID"])) for one in found]

    assert await log(-1, -1, -1, 0) == [(first, 0), (first, 1), (second, 0)]
    assert await log(150, -1, -1, 0) == [(first, 1), (second, 0)]
    assert await log(-1, 200, -1, 0) == [(first, 0), (first, 1)]
    assert await log(-1, -1, first, 1) == [(first, 0)]
    assert await log(-1, -1, -1, -1) == [(first, 1)]
    assert await world.code(ADMIN, "one.hooklog.info", -1, -1, -1, 5) == 0x1000
    assert len(iter_list(await world.ask(ADMIN, "one.hook.info", first))) == 2
    await world.ask(ADMIN, "one.hook.delete", first)
    assert await log(-1, -1, -1, 0) == [(second, 0)]


def iter_list(document):
    return list(iter_elements(document, "HOOK_EXECUTION_RECORD"))


async def test_what_is_not_in_the_log_is_not_done_again(world):
    hook_id = await world.ask(ADMIN, "one.hook.allocate", HOOK)
    assert await world.code(ADMIN, "one.hook.retry", hook_id, 3) == 0x0800
    assert await world.code(ADMIN, "one.hook.retry", 99, 0) == 0x0400


@pytest.mark.parametrize(
    ("method", "arguments", "states"),
    [
        ("one.image.enable", (IMAGE_ID, False), [("IMAGE", ("DISABLED", ""))]),
        ("one.host.status", (HOST_ID, 1), [("HOST", ("DISABLED", ""))]),
        ("one.host.status", (HOST_ID, 2), [("HOST", ("OFFLINE", ""))]),
        ("one.vm.allocate", ("CPU=1\nMEMORY=64", True), [("VM", ("HOLD", "LCM_INIT"))]),
        ("one.vn.allocate", ("NAME=x\nVN_MAD=dummy\nBRIDGE=br1", -1), [("NET", ("READY", ""))]),
        ("one.host.allocate", ("node2", "dummy", "dummy", -1), [("HOST", ("INIT", ""))]),
        ("one.vn.rename", (NETWORK_ID, "other"), []),
    ],
)
async def test_the_journal_tells_each_state_that_hooks_may_wait_for(world, method, arguments, states):
    before = world.memory.journal_id
    await world.ask(ADMIN, method, *arguments)
    told = [(entry.kind, entered(entry)) for entry in world.store.journal_after(before, 100)]
    assert [one for one in told if one[1] is not None] == states


async def test_for_strangers_no_document_is_rendered(world, monkeypatch):
    rendered = []
    monkeypatch.setattr(world.engine.hooks, "_of_call", {"one.vn.delete": []})
    monkeypatch.setattr(world.engine.hooks._messages, "document_of", lambda kind, one: rendered.append(one) or "")
    assert await world.code("alice:guess", "one.vn.delete", NETWORK_ID) == 0x0100
    assert rendered == []
    await world.code(ADMIN, "one.vn.delete", NETWORK_ID)
    assert rendered == [NETWORK_ID]


async def test_a_hook_comes_to_wait_for_no_call_that_is_not_there(world):
    hook_id = await world.ask(ADMIN, "one.hook.allocate", API_HOOK)
    refused = await refusal(world, "one.hook.update", hook_id, "CALL=one.vm.fly", 1)
    assert refused.code == 0x0800
    assert (await shown(world, hook_id))["TEMPLATE"]["CALL"] == "one.vm.allocate"

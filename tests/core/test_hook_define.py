"""What a hook may be declared as, what it waits for, and which words its command gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trifid.core.hook import Hook, HookType
from trifid.core.hook_define import arguments, defined, entered, quoted, states_in, wants, words_of
from trifid.core.journal import Entry
from trifid.core.template.scanner import parse
from trifid.errors import BadTemplate

PLACE = "/srv/trifid/hooks"
SECRET = "correct horse battery staple"
STATE = "NAME=h\nTYPE=state\nCOMMAND=tell.sh\n"
API = "NAME=h\nTYPE=api\nCOMMAND=tell.sh\n"
WEBHOOK = f'NAME=h\nTYPE=webhook\nSECRET="{SECRET}"\n'


def hook(text: str) -> Hook:
    return defined(parse(text), PLACE)


def entry(kind: str = "VM", old: str = "", new: str = "") -> Entry:
    return Entry(1, 1000, kind, 3, -1, "state", old, new)


@pytest.mark.parametrize(
    ("told", "kind", "state", "lcm_state"),
    [
        ("RESOURCE=VM\nON=CREATE", "VM", "PENDING", "LCM_INIT"),
        ("RESOURCE=VM\nON=PROLOG", "VM", "ACTIVE", "PROLOG"),
        ("RESOURCE=vm\nON=running", "VM", "ACTIVE", "RUNNING"),
        ("RESOURCE=VM\nON=SHUTDOWN", "VM", "ACTIVE", "EPILOG"),
        ("RESOURCE=VM\nON=STOP", "VM", "STOPPED", "LCM_INIT"),
        ("RESOURCE=VM\nON=DONE", "VM", "DONE", "LCM_INIT"),
        ("RESOURCE=VM\nON=UNKNOWN", "VM", "ACTIVE", "UNKNOWN"),
        ("RESOURCE=VM\nON=CUSTOM\nSTATE=ACTIVE\nLCM_STATE=BOOT", "VM", "ACTIVE", "BOOT"),
        ("RESOURCE=VM\nSTATE=poweroff", "VM", "POWEROFF", ""),
        ("RESOURCE=HOST\nSTATE=ERROR", "HOST", "ERROR", ""),
        ("RESOURCE=HOST\nON=DISABLE", "HOST", "DISABLED", ""),
        ("RESOURCE=IMAGE\nSTATE=READY", "IMAGE", "READY", ""),
        ("RESOURCE=VNET\nSTATE=READY", "NET", "READY", ""),
        ("RESOURCE=NET\nSTATE=ERROR", "NET", "ERROR", ""),
    ],
)
def test_a_hook_waits_for_a_state_by_its_name_or_by_a_shortcut(told, kind, state, lcm_state):
    made = hook(STATE + told)
    wanted = wants(made)
    assert (wanted.kind, wanted.state, wanted.lcm_state) == (kind, state, lcm_state)
    assert "ON" not in made.template


def test_a_hook_waits_for_the_end_of_a_call():
    assert wants(hook(API + "CALL=one.vm.allocate")).call == "one.vm.allocate"


def test_a_webhook_keeps_its_url_and_filter_where_today_s_schema_has_room():
    made = hook(WEBHOOK + 'URL="https://chat.example.org:8443/in?x=1"\nFILTER="kind=VM&new=RUNNING"')
    assert made.type is HookType.WEBHOOK
    assert made.template.single("COMMAND") == "https://chat.example.org:8443/in?x=1"
    assert made.template.single("ARGUMENTS") == "kind=VM&new=RUNNING"
    assert wants(made).events.wants(entry(old="BOOT", new="RUNNING"))
    assert not wants(made).events.wants(entry("HOST", new="ERROR"))


def test_a_program_is_named_within_its_directory_or_by_its_whole_path():
    assert hook(API.replace("tell.sh", f"{PLACE}/a/b.sh") + "CALL=one.vm.info").template.single("COMMAND") == "a/b.sh"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("NAME=h", "^Invalid Hook type: $"),
        ("NAME=h\nTYPE=x", "^Invalid Hook type: x$"),
        ("TYPE=api\nCALL=one.vm.info\nCOMMAND=x", "Invalid NAME, it cannot be empty"),
        (STATE, "Invalid resource type"),
        (STATE + "RESOURCE=USER\nSTATE=X", "Invalid resource type"),
        (STATE + "RESOURCE=VM\nON=SOMETIMES", "ON must be one of CREATE"),
        (STATE + "RESOURCE=IMAGE\nON=CREATE", "ON must be one of CUSTOM"),
        (STATE + "RESOURCE=VM", "STATE must be one of"),
        (STATE + "RESOURCE=VM\nSTATE=RUNNING", "STATE must be one of"),
        (STATE + "RESOURCE=VM\nSTATE=ACTIVE\nLCM_STATE=FLYING", "LCM_STATE must be"),
        (STATE + "RESOURCE=VM\nSTATE=DONE\nLCM_STATE=RUNNING", "LCM_STATE RUNNING is one of VMs that are ACTIVE"),
        (STATE + "RESOURCE=VM\nSTATE=ACTIVE\nLCM_STATE=RUNNING_LOOK", "LCM_STATE must be"),
        (STATE + "RESOURCE=HOST\nSTATE=DONE", "STATE must be one of"),
        (STATE + "RESOURCE=IMAGE\nSTATE=USED", "STATE must be one of DELETE, DISABLED, ERROR, LOCKED, READY for IMAGE"),
        (STATE + "RESOURCE=IMAGE\nSTATE=READY\nREMOTE=YES", "REMOTE is for VMs and hosts"),
        (STATE + "RESOURCE=VM\nON=DONE\nREMOTE=PERHAPS", "REMOTE must be YES or NO"),
        (STATE + "RESOURCE=VM\nON=DONE\nTIMEOUT=1000000", "TIMEOUT must be seconds"),
        (STATE + 'RESOURCE=VM\nON=DONE\nARGUMENTS="\'x"', "ARGUMENTS cannot be split"),
        (API, "CALL must be a method"),
        (API + 'CALL="rm -rf"', "CALL must be a method"),
        (API + "CALL=one.vm.info\nREMOTE=YES", "REMOTE is for hooks on states"),
        (API.replace("tell.sh", "/bin/sh") + "CALL=one.vm.info", "hooks run programs of that directory only"),
        (API.replace("tell.sh", "../x") + "CALL=one.vm.info", "hooks run programs of that directory only"),
        (API.replace("COMMAND=tell.sh", "X=1") + "CALL=one.vm.info", "COMMAND is missing"),
        (API + "CALL=one.vm.info\nARGUMENTS=[A=1]", "must be a text"),
        (API + f"CALL=one.vm.info\nARGUMENTS={'x' * 9000}", "8192 are accepted"),
        (WEBHOOK, "URL must be one of http"),
        (WEBHOOK + "URL=ftp://x/", "URL must be one of http"),
        (WEBHOOK + "URL=http://u:p@x/", "without user and password"),
        (WEBHOOK + "URL=http://x:y/", "must name a machine"),
        (WEBHOOK + 'URL="http://x/#y"', "URL must be one of http"),
        (WEBHOOK + 'URL="http://x/a b"', "URL must be one of http"),
        (WEBHOOK + "URL=http://x/\nFILTER=colour", "FILTER: "),
        ("NAME=h\nTYPE=webhook\nURL=http://x/", "SECRET must have 16 to 512 characters, has 0"),
    ],
)
def test_what_cannot_be_a_hook_says_which_attribute_and_what_is_expected(text, told):
    with pytest.raises(BadTemplate, match=told) as refused:
        hook(text)
    assert SECRET not in refused.value.message


@pytest.mark.parametrize(
    ("old", "new", "states"),
    [
        ("BOOT", "RUNNING", ("ACTIVE", "RUNNING")),
        ("", "PENDING", ("PENDING", "LCM_INIT")),
        ("RUNNING", "RUNNING_LOOK", None),  # another phase of the same state
        ("CLEANUP_DELETE_FILES", "DONE", ("DONE", "LCM_INIT")),
        ("RUNNING", "", None),
        ("", "NO_SUCH_STATE", None),
    ],
)
def test_a_vm_comes_into_a_state_when_clients_see_another_one(old, new, states):
    assert entered(entry(old=old, new=new)) == states


def test_states_of_other_objects_are_as_they_are():
    assert states_in("HOST", "MONITORED") == ("MONITORED", "")


def test_references_are_replaced_and_words_stay_words():
    made = hook(STATE + "RESOURCE=VM\nON=DONE\nARGUMENTS=\"$ID --vm=${ID} 'a b' $TEMPLATE $NOTHING\"")
    words = arguments(made, {"ID": "3", "TEMPLATE": "x y; $ID"})
    assert words == ["3", "--vm=3", "a b", "x y; $ID", "$NOTHING"]


@given(st.lists(st.text()))
def test_words_that_were_kept_are_the_same_when_they_are_split_again(words):
    assert words_of(quoted(words)) == words


def test_what_is_repeated_counts_once():
    made = hook(API + "CALL=one.vm.info\nCALL=one.host.info")
    assert made.template.all("CALL") == ["one.host.info"]

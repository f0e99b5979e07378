"""What hook drivers are told and answer."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.schemas import valid
from trifid.core.hook import Hook, HookExecution, HookType
from trifid.core.template.model import template
from trifid.errors import DriverFault
from trifid.wire.bodies.hook import hook, log_document
from trifid.wire.hook_message import (
    HookOrder,
    HookResult,
    api_message,
    call_info,
    not_run,
    parse,
    parse_result,
    render,
    render_result,
    retry_message,
    state_message,
)
from trifid.wire.xmltext import writable

texts = st.text().map(writable)
"""What XML can carry; all else becomes U+FFFD."""


@given(
    st.builds(
        HookOrder,
        hook_id=st.integers(0, 10**9),
        command=texts,
        arguments=st.lists(texts).map(tuple),
        stdin=st.booleans(),
        host=texts,
        timeout_s=st.integers(0, 86400),
        secret=texts,
        body=texts,
        delivery=texts,
        allow=texts,
    )
)
def test_an_order_arrives_as_it_was_given(order):
    assert parse(render("", order)) == order


@given(st.builds(HookResult, command=texts, stdout=texts, stderr=texts, code=st.integers(0, 255)))
def test_a_result_arrives_as_it_was_given(result):
    assert parse_result(render_result(result)) == result


@pytest.mark.parametrize(
    "document",
    ["<X/>", "<HOOK_MESSAGE></HOOK_MESSAGE>", "<HOOK_MESSAGE><HOOK><ID>x</ID></HOOK></HOOK_MESSAGE>", "<HOOK", ""],
)
def test_what_is_no_order_is_a_fault(document):
    with pytest.raises(DriverFault):
        parse(base64.b64encode(document.encode()).decode())


@pytest.mark.parametrize(
    "document",
    ["<X/>", "<EXECUTION_RESULT></EXECUTION_RESULT>", "<EXECUTION_RESULT><CODE>-1</CODE></EXECUTION_RESULT>",
     "<EXECUTION_RESULT><CODE>9999999</CODE></EXECUTION_RESULT>", "no xml"],
)  # fmt: skip
def test_what_is_no_result_is_a_fault(document):
    with pytest.raises(DriverFault):
        parse_result(base64.b64encode(document.encode()).decode())
    with pytest.raises(DriverFault):
        parse_result(document)


def test_what_could_not_be_run_has_a_code_of_its_own():
    assert not_run("x", "why") == HookResult("x", "", "why", 255)


def message(body):
    return f"<HOOK_MESSAGE>{body}</HOOK_MESSAGE>"


def test_messages_follow_the_schemas_of_today_s_drivers():
    valid(message(state_message("VM", ("ACTIVE", "RUNNING"), 3, "", "node1")), "hook_message_state")
    valid(message(state_message("NET", ("READY", ""), 3, "")), "hook_message_state")
    info = call_info(True, ["****", "NAME=x", 3, False], [True, 7, 0], "<VM><ID>7</ID></VM>")
    valid(message(api_message("one.vm.allocate", info)), "hook_message_api")
    valid(message(retry_message(3, "a b")), "hook_message_retry")
    assert "<POSITION>4</POSITION><TYPE>IN</TYPE><VALUE>false</VALUE>" in info


EXECUTION = HookExecution(3, 0, 1000, "'a b' ]]>", "/x", "out\x00", "<err>", 1)
WHOLE = template(
    COMMAND="x", ARGUMENTS="$ID", ARGUMENTS_STDIN="YES", LCM_STATE="RUNNING", REMOTE="NO", RESOURCE="VM",
    STATE="ACTIVE", TIMEOUT="5", NOTE="mine", CALL="one.vm.info",
)  # fmt: skip


def test_documents_follow_the_schemas():
    record = Hook(3, "tell", HookType.STATE, WHOLE)
    valid(hook(record), "hook")
    valid(hook(record, [EXECUTION, EXECUTION]), "hook")
    valid(f"<HOOK_POOL>{hook(record)}{hook(record)}</HOOK_POOL>", "hook_pool")
    valid(log_document([EXECUTION]), "own/hooklog")
    assert "NOTE" not in hook(record), "today's schema has no room for it"
    assert "NOTE" in hook(record, template=record.template)

"""What a virtual machine driver is told: survives the line, and nothing else is taken for it."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trifid.errors import DriverFault
from trifid.wire.action_data import ActionData, parse, render
from trifid.wire.xmltext import writable

TEXTS = st.text(max_size=12)
DOCUMENTS = st.sampled_from(
    [
        "<ID>1</ID>",
        "",
        "<NAME><![CDATA[a>b</VM>]]></NAME>",
        "<VM>nested</VM><DATASTORE/>",
        "<HOST>not this one</HOST>",
        "<A x='>'/>",
        "é<!-- > -->",
    ]
)


@given(
    st.builds(
        ActionData,
        host=TEXTS,
        migrate_host=TEXTS,
        deploy_id=TEXTS,
        local_deployment_file=TEXTS,
        remote_deployment_file=TEXTS,
        checkpoint_file=TEXTS,
        disk_target_path=TEXTS,
        step=st.integers(0, 10**18 - 1),
        vm=DOCUMENTS.map("<VM>{}</VM>".format),
        datastore=st.just("") | DOCUMENTS.map("<DATASTORE>{}</DATASTORE>".format),
    )
)
def test_action_data_survives(data):
    found = parse(render(data))
    assert (found.vm, found.datastore, found.step) == (data.vm, data.datastore, data.step)
    for name in ActionData.__struct_fields__:
        if name not in ("vm", "datastore", "step"):
            assert getattr(found, name) == writable(getattr(data, name))


@pytest.mark.parametrize("vm", ["<VM/>", "<VM />", "<VM></VM >", "<VM><A/></VM>"])
@pytest.mark.parametrize("datastore", ["", "<DATASTORE/>", "<DATASTORE><ID>0</ID></DATASTORE>"])
def test_documents_are_kept_to_the_letter(vm, datastore):
    found = parse(render(ActionData(vm=vm, datastore=datastore)))
    assert (found.vm, found.datastore) == (vm, datastore)


def test_elements_that_are_not_known_are_passed_over():
    document = "<VMM_DRIVER_ACTION_DATA><NEW><HOST>x</HOST></NEW><HOST>h</HOST></VMM_DRIVER_ACTION_DATA>"
    assert parse(base64.b64encode(document.encode()).decode()) == ActionData(host="h")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "action data is not XML: no element found"),
        (b"<A/>", "action data must be VMM_DRIVER_ACTION_DATA, is A"),
        (b"<VMM_DRIVER_ACTION_DATA>", "action data is not XML: no element found"),
        (b"<!DOCTYPE a><a/>", "action data with a document type declaration"),
        (
            b"<VMM_DRIVER_ACTION_DATA><TRIFID_STEP>-1</TRIFID_STEP></VMM_DRIVER_ACTION_DATA>",
            "TRIFID_STEP of action data is not a number: '-1'",
        ),
    ],
)
def test_what_is_no_action_data_is_a_fault(document, message):
    with pytest.raises(DriverFault, match=message):
        parse(base64.b64encode(document).decode())


@pytest.mark.parametrize("payload", ["-", "not base64!", "é", "AAA"])
def test_what_is_not_base64_is_a_fault(payload):
    with pytest.raises(DriverFault, match="action data is not base64"):
        parse(payload)


@given(st.text(max_size=20) | st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode()))
def test_any_payload_is_action_data_or_a_fault(payload):
    with pytest.raises(DriverFault):
        parse(payload)

"""What makes or changes something can tell it as data, errors too."""

import json
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import PROGRAMS
from tests.cli.fake_engine import Refusal, host_xml, vm_xml

COMMANDS = [
    (program, row)
    for program, main in PROGRAMS.items()
    if main.calls
    for row in main.rows
    if row.word not in ("list", "show", "top")
]


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(("program", "row"), COMMANDS, ids=lambda value: getattr(value, "word", value))
def test_every_command_can_answer_in_every_form(type_in, program, row):
    shown = type_in(program, row.word, "--help").stdout
    assert all(f"--{form}" in shown for form in ("json", "yaml", "xml"))


def test_what_was_made_is_told_with_its_kind(fake, type_in, tmp_path):
    template = tmp_path / "web.vm"
    template.write_text("CPU = 1\nMEMORY = 64\n")
    fake.answers("one.vm.allocate", 3, 4)
    found = json.loads(type_in("onevm", "create", str(template), "--multiple", "2", "-j").stdout)
    objects = [{"kind": "VM", "id": 3}, {"kind": "VM", "id": 4}]
    assert found == {"command": "onevm create", "done": True, "objects": objects, "text": []}


def test_what_was_done_before_something_failed_is_told(fake, type_in):
    fake.answers("one.vm.action", 3, Refusal("[one.vm.action] Error getting virtual machine [4].", 0x0400, 4), 5)
    result = type_in("onevm", "hold", "3..5", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 255
    assert not found["done"]
    assert [one["id"] for one in found["objects"]] == [3, 5]
    (error,) = lines(result.stderr)
    assert error["code"] == 0x0400
    assert error["id"] == 4
    assert error["next"] == 'see "onevm list" for what there is'


def test_what_broke_off_tells_what_was_done_before(fake, type_in):
    fake.hosts = {0: host_xml(0)}
    fake.answers("one.host.allocate", 7)
    result = type_in("onehost", "create", "h", "--im", "kvm", "--vm", "kvm", "--accept-key", "-j")
    assert result.exit_code == 255
    assert json.loads(result.stdout)["objects"] == [{"kind": "HOST", "id": 7}]
    assert "error" in lines(result.stderr)[-1]


def test_an_object_that_is_named_and_changed_is_told(fake, type_in, tmp_path):
    attributes = tmp_path / "more"
    attributes.write_text("A = 1\n")
    fake.hosts = {4: host_xml(4, "node")}
    fake.answers("one.host.update", 4)
    found = json.loads(type_in("onehost", "update", "node", str(attributes), "-j").stdout)
    assert found["objects"] == [{"kind": "HOST", "id": 4}]


def test_a_text_is_told_and_notes_are_data_too(fake, type_in):
    fake.answers("one.user.login", "the-token")
    result = type_in("oneuser", "token-create", "--json")
    assert json.loads(result.stdout)["text"] == ["oneadmin:the-token"]
    assert all("note" in line for line in lines(result.stderr))


def test_the_state_that_was_waited_for_is_told(fake, type_in):
    fake.vms = {3: vm_xml(3, state=2, lcm=0)}
    fake.answers("one.vm.action", 3)
    found = json.loads(type_in("onevm", "hold", "3", "--wait", "-j").stdout)
    assert found["objects"] == [{"kind": "VM", "id": 3, "state": "HOLD"}]


def test_the_same_in_other_forms(fake, type_in):
    fake.answers("one.cluster.allocate", 100)
    assert "objects:\n  - kind: CLUSTER\n    id: 100\n" in type_in("onecluster", "create", "c", "-y").stdout
    tree = ElementTree.fromstring(type_in("onecluster", "create", "c", "-x").stdout)
    assert (tree.tag, tree.findtext("DONE"), tree.findtext("OBJECTS/ID")) == ("ANSWER", "true", "100")


def test_a_command_that_tells_json_itself_tells_it_in_other_forms_too(fake, type_in):
    fake.answers("trifid.event.story", json.dumps({"events": [{"at": 5, "what": "state", "new": "HOLD"}]}))
    assert type_in("onevm", "log", "3", "--yaml").stdout == "- at: 5\n  what: state\n  new: HOLD\n"
    assert ElementTree.fromstring(type_in("onevm", "log", "3", "--xml").stdout).findtext("ENTRY/NEW") == "HOLD"


@pytest.mark.parametrize(
    "words",
    [["fly", "-j"], ["hold", "--json"], ["list", "-j", "--nothing"], ["show", "nobody", "-j"], ["hold", "x y", "-j"]],
)
def test_what_cannot_be_understood_is_told_as_data(type_in, words):
    result = type_in("onevm", *words)
    assert result.exit_code == 255
    assert lines(result.stderr)[-1]["error"]


@pytest.mark.parametrize("form", ["--yaml", "--xml"])
def test_errors_have_the_form_of_the_answer(type_in, form):
    shown = type_in("onevm", "show", "99", form).stderr
    assert shown.startswith("error: " if form == "--yaml" else "<FAILURE>")


def test_without_a_form_nothing_is_different(fake, type_in):
    fake.answers("one.cluster.allocate", 100)
    assert type_in("onecluster", "create", "c").stdout == "ID: 100\n"


def test_what_is_refused_of_a_file_has_its_code(fake, type_in, tmp_path):
    (tmp_path / "a.net").write_text("NAME = a\n")
    fake.answers("one.vn.allocate", Refusal("[one.vn.allocate] No VN_MAD in template.", 0x2000, -1))
    (error,) = lines(type_in("onevnet", "create", str(tmp_path / "a.net"), "-j").stderr)
    assert error["code"] == 0x2000
    assert error["error"].startswith(str(tmp_path / "a.net"))

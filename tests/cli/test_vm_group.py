"""onevmgroup, and what onevm does with VM groups, typed against a small engine."""

import json

import pytest

from tests.cli.fake_engine import PERMISSIONS, Refusal, owner, vm_xml
from trifid.core.template.scanner import parse
from trifid.core.vm_group.define import defined
from trifid.core.vm_group.record import VmGroup

ROLES = (
    "<ROLE><ID>0</ID><NAME>web</NAME><POLICY>ANTI_AFFINED</POLICY><VMS>3,5</VMS></ROLE>"
    "<ROLE><HOST_AFFINED>1,2</HOST_AFFINED><HOST_ANTI_AFFINED>7</HOST_ANTI_AFFINED><ID>4</ID><NAME>db</NAME></ROLE>"
)
RULES = (
    "<AFFINED>web,db</AFFINED><ANTI_AFFINED>web,log</ANTI_AFFINED><NOTE>mine</NOTE>"
    "<SPREAD><MAX_SKEW>1</MAX_SKEW><OVER>RACK</OVER><ROLE>web</ROLE></SPREAD>"
)


def group_xml(group_id, name, more=""):
    return (
        f"<VM_GROUP><ID>{group_id}</ID>{owner()}<NAME>{name}</NAME>{PERMISSIONS}{more}<ROLES>{ROLES}</ROLES>"
        f"<TEMPLATE>{RULES}</TEMPLATE></VM_GROUP>"
    )


@pytest.fixture(autouse=True)
def _groups(fake):
    fake.vm_groups[2] = group_xml(2, "app")
    fake.vms[3] = vm_xml(3, "front")
    fake.answers("one.vmgroup.allocate", 6, 7)


def test_options_describe_a_group(fake, type_in):
    roles = ["--role", "web:anti_affined", "--role", "db", "--role", "log"]
    rules = ["--anti-affined", "web,db", "--affined", "db,log", "--spread", "web:rack:1"]
    assert type_in("onevmgroup", "create", "--name", "x", *roles, *rules).output == "ID: 6\n"
    ((text,),) = fake.called("one.vmgroup.allocate")
    template = parse(text)
    assert template.single("NAME") == "x"
    assert template.vectors("ROLE") == [{"NAME": "web", "POLICY": "ANTI_AFFINED"}, {"NAME": "db"}, {"NAME": "log"}]
    assert (template.single("ANTI_AFFINED"), template.single("AFFINED")) == ("web,db", "db,log")
    assert template.vector("SPREAD") == {"ROLE": "web", "OVER": "rack", "MAX_SKEW": "1"}
    defined(VmGroup(0, 0, 0, "x"), template.without("NAME"))


def test_templates_are_sent_as_they_were_written_and_a_refusal_names_the_file(fake, type_in):
    assert type_in("onevmgroup", "create", "-", stdin="NAME = b # one").output == "ID: 6\n"
    assert fake.called("one.vmgroup.allocate") == [["NAME = b # one"]]
    fake.answers("one.vmgroup.allocate", Refusal("[one.vmgroup.allocate] Role already exists: a", 0x2000, -1))
    result = type_in("onevmgroup", "create", "-", stdin="NAME=b")
    assert (result.exit_code, "standard input: [one.vmgroup.allocate] Role" in result.stderr) == (255, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "a VM group needs a FILE, or --name and its roles"),
        (["--name", "x"], "a VM group needs a FILE, or --name and its roles"),
        (["-", "--name", "x"], "a FILE and options do not go together"),
        (["--name", "x", "--role", "a", "--spread", "a"], "write ROLE:OVER or ROLE:OVER:MAX_SKEW"),
    ],
)
def test_a_group_that_is_not_described_is_not_made(fake, type_in, words, told):
    result = type_in("onevmgroup", "create", *words)
    assert (result.exit_code, told in result.stderr) == (255, True)
    assert fake.called("one.vmgroup.allocate") == []


@pytest.mark.parametrize(
    ("program", "words", "call"),
    [
        ("onevmgroup", "delete app", ("one.vmgroup.delete", 2)),
        ("onevmgroup", "rename app shop", ("one.vmgroup.rename", 2, "shop")),
        ("onevmgroup", "chmod app 640", ("one.vmgroup.chmod", 2, 1, 1, 0, 1, 0, 0, 0, 0, 0)),
        ("onevmgroup", "chown app oneadmin users", ("one.vmgroup.chown", 2, 0, 1)),
        ("onevmgroup", "chgrp app users", ("one.vmgroup.chown", 2, -1, 1)),
        ("onevmgroup", "lock app", ("one.vmgroup.lock", 2, 4, False)),
        ("onevmgroup", "unlock app", ("one.vmgroup.unlock", 2)),
        ("onevmgroup", "role-delete app db", ("one.vmgroup.roledelete", 2, 4)),
        ("onevmgroup", "role-delete app 9", ("one.vmgroup.roledelete", 2, 9)),
        ("onevm", "vmgroup-add 3 app web", ("one.vm.vmgroupadd", 3, 2, "web")),
        ("onevm", "vmgroup-del 3", ("one.vm.vmgroupdel", 3)),
    ],
)
def test_a_command_is_one_call(fake, type_in, program, words, call):
    fake.answers(call[0], 0)
    result = type_in(program, *words.split())
    assert (result.exit_code, result.output) == (0, "")
    assert fake.calls[-1] == call


@pytest.mark.parametrize(
    ("words", "method", "before"),
    [
        (["role-add", "app"], "one.vmgroup.roleadd", [2]),
        (["role-update", "app", "db"], "one.vmgroup.roleupdate", [2, 4]),
    ],
)
def test_a_role_comes_from_options_or_a_file(fake, type_in, words, method, before):
    fake.answers(method, 2)
    type_in("onevmgroup", *words, "--policy", "affined", "--host-anti-affined", "")
    (call,) = fake.called(method)
    assert call[:-1] == before
    assert parse(call[-1]).vector("ROLE") == {"POLICY": "affined", "HOST_ANTI_AFFINED": ""}
    type_in("onevmgroup", *words, "-", stdin="ROLE = [ NAME = x ]")
    assert fake.called(method)[-1][-1] == "ROLE = [ NAME = x ]"
    for more in ([], ["-", "--name", "x"]):
        result = type_in("onevmgroup", *words, *more, stdin="ROLE = [ NAME = x ]")
        assert (result.exit_code, "say what the role is" in result.stderr) == (255, True)


def test_a_role_that_is_not_there_is_told(type_in):
    result = type_in("onevmgroup", "role-delete", "app", "cache")
    assert (result.exit_code, "has no role cache" in result.stderr, "web, db" in result.stderr) == (255, True, True)


def test_the_list(type_in):
    header, app = type_in("onevmgroup", "list").stdout.splitlines()
    assert header.split() == ["ID", "USER", "GROUP", "NAME", "ROLES", "VMS"]
    assert app.split() == ["2", "oneadmin", "oneadmin", "app", "2", "2"]
    (listed,) = json.loads(type_in("onevmgroup", "list", "--json").stdout)["VM_GROUP_POOL"]["VM_GROUP"]
    assert listed["NAME"] == "app"


def test_show_tells_roles_rules_and_vms(fake, type_in):
    fake.vm_groups[2] = group_xml(2, "app", "<LOCK><LOCKED>1</LOCKED><OWNER>0</OWNER><TIME>1</TIME></LOCK>")
    said = [" ".join(line.split()) for line in type_in("onevmgroup", "show", "app").stdout.splitlines()]
    for line in (
        "NAME : app",
        "LOCK : all, by user 0",
        "0 web ANTI_AFFINED - - 3,5",
        "4 db - 1,2 7 -",
        "web,db: on one host",
        "web,log: never on one host",
        "web: evenly over RACK, numbers differ by 1 at most",
        'NOTE="mine"',
    ):
        assert line in said
    assert not [line for line in said if line.startswith("AFFINED=")]
    assert json.loads(type_in("onevmgroup", "show", "2", "-j").stdout)["VM_GROUP"]["ID"] == "2"


def test_a_vm_is_shown_with_its_group_and_role(fake, type_in):
    in_group = "<VMGROUP><ROLE>web</ROLE><VMGROUP_ID>2</VMGROUP_ID></VMGROUP></TEMPLATE>"
    fake.vms[4] = vm_xml(4, "other").replace("</TEMPLATE>", in_group)
    for vm_id, line in (("4", "VM GROUP : app [2], role web"), ("3", None)):
        said = [" ".join(line.split()) for line in type_in("onevm", "show", vm_id).stdout.splitlines()]
        assert [one for one in said if one.startswith("VM GROUP ")] == ([line] if line else [])


def test_what_is_locked_or_not_there_is_told_with_the_command_that_helps(fake, type_in):
    locked = "[one.vmgroup.delete] User [0] : VMGROUP is locked. [2]."
    fake.answers("one.vmgroup.delete", Refusal(locked, 0x0200, 2))
    assert '"onevmgroup unlock 2"' in type_in("onevmgroup", "delete", "2").stderr
    fake.answers("one.vm.vmgroupadd", Refusal("[one.vm.vmgroupadd] Error getting vm group [9].", 0x0400, 9))
    assert '"onevmgroup list"' in type_in("onevm", "vmgroup-add", "3", "9", "web").stderr

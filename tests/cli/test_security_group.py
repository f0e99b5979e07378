"""onesecgroup, and what onevm does with security groups, typed against a small engine."""

import json

import pytest

from tests.cli.fake_engine import PERMISSIONS, Refusal, owner, vm_xml
from trifid.core.network.rules import check_rules
from trifid.core.template.scanner import parse

RULES = (
    "<RULE><PROTOCOL>TCP</PROTOCOL><RANGE>80,443</RANGE><RULE_TYPE>inbound</RULE_TYPE></RULE>"
    "<RULE><IP>10.0.0.1</IP><PROTOCOL>ICMP</PROTOCOL><ICMP_TYPE>8</ICMP_TYPE><RULE_TYPE>inbound</RULE_TYPE>"
    "<SIZE>3</SIZE></RULE><RULE><NETWORK_ID>4</NETWORK_ID><PROTOCOL>ALL</PROTOCOL><RULE_TYPE>outbound</RULE_TYPE></RULE>"
)


def group_xml(group_id, name, rules=RULES):
    states = {"UPDATED": (1, 2), "OUTDATED": (3,), "UPDATING": (4,), "ERROR": ()}
    vms = "".join(f"<{n}_VMS>{''.join(f'<ID>{i}</ID>' for i in ids)}</{n}_VMS>" for n, ids in states.items())
    return (
        f"<SECURITY_GROUP><ID>{group_id}</ID>{owner()}<NAME>{name}</NAME>{PERMISSIONS}{vms}"
        f"<TEMPLATE><DESCRIPTION>for all</DESCRIPTION>{rules}</TEMPLATE></SECURITY_GROUP>"
    )


@pytest.fixture(autouse=True)
def _groups(fake):
    fake.security_groups |= {0: group_xml(0, "default", ""), 100: group_xml(100, "web")}
    fake.networks[4] = f"<VNET><ID>4</ID>{owner()}<NAME>private</NAME></VNET>"
    fake.vms[3] = vm_xml(3, "front")
    fake.answers("one.secgroup.allocate", 101, 102)


def test_options_describe_a_group(fake, type_in):
    rules = ["--inbound", "tcp:22,80:90@10.0.0.1+8", "--inbound", "icmp:8", "--inbound", "udp:53@private"]
    words = ["--name", "x", "--description", "for x", *rules, "--outbound", "all@2001:db8::1"]
    result = type_in("onesecgroup", "create", *words)
    assert result.output == "ID: 101\n"
    ((text,),) = fake.called("one.secgroup.allocate")
    template = parse(text)
    assert (template.single("NAME"), template.single("DESCRIPTION")) == ("x", "for x")
    assert template.vectors("RULE") == [
        {"PROTOCOL": "TCP", "RULE_TYPE": "INBOUND", "RANGE": "22,80:90", "IP": "10.0.0.1", "SIZE": "8"},
        {"PROTOCOL": "ICMP", "RULE_TYPE": "INBOUND", "ICMP_TYPE": "8"},
        {"PROTOCOL": "UDP", "RULE_TYPE": "INBOUND", "RANGE": "53", "NETWORK_ID": "4"},
        {"PROTOCOL": "ALL", "RULE_TYPE": "OUTBOUND", "IP": "2001:db8::1", "SIZE": "1"},
    ]
    check_rules(template)


def test_templates_are_sent_as_they_were_written(fake, type_in):
    assert type_in("onesecgroup", "create", "-", stdin="NAME = b # one").output == "ID: 101\n"
    assert fake.called("one.secgroup.allocate") == [["NAME = b # one"]]


def test_a_refusal_names_the_file(fake, type_in):
    fake.answers("one.secgroup.allocate", Refusal("[one.secgroup.allocate] Wrong PROTOCOL in rule.", 0x2000, -1))
    result = type_in("onesecgroup", "create", "-", stdin="NAME=b")
    assert (result.exit_code, "standard input: [one.secgroup.allocate] Wrong PROTOCOL" in result.stderr) == (255, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "a security group needs a FILE, or --name"),
        (["--inbound", "tcp"], "a security group needs a FILE, or --name"),
        (["-", "--name", "x"], "do not go together"),
        (["--name", "x", "--inbound", "tcp@nowhere"], "Virtual networks named nowhere not found."),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_made(fake, type_in, words, told):
    result = type_in("onesecgroup", "create", *words)
    assert (result.exit_code, told in result.stderr) == (255, True)
    assert fake.called("one.secgroup.allocate") == []


@pytest.mark.parametrize(
    ("program", "words", "call"),
    [
        ("onesecgroup", "delete web", ("one.secgroup.delete", 100)),
        ("onesecgroup", "commit 100", ("one.secgroup.commit", 100, False)),
        ("onesecgroup", "commit web --recover", ("one.secgroup.commit", 100, True)),
        ("onesecgroup", "rename web www", ("one.secgroup.rename", 100, "www")),
        ("onesecgroup", "chmod web 604", ("one.secgroup.chmod", 100, 1, 1, 0, 0, 0, 0, 1, 0, 0)),
        ("onesecgroup", "chown web oneadmin users", ("one.secgroup.chown", 100, 0, 1)),
        ("onesecgroup", "chgrp web users", ("one.secgroup.chown", 100, -1, 1)),
        ("onevm", "sg-attach front 0 web", ("one.vm.attachsg", 3, 0, 100)),
        ("onevm", "sg-detach 3 1 default", ("one.vm.detachsg", 3, 1, 0)),
        (
            "onevm",
            "nic-update 3 0 --inbound-avg 100 --outbound-burst 0 --security-groups 0,100",
            (
                "one.vm.updatenic",
                3,
                0,
                'NIC = [ INBOUND_AVG_BW = "100", OUTBOUND_PEAK_KB = "", SECURITY_GROUPS = "0,100" ]',
                1,
            ),
        ),
        (
            "onevm",
            "nic-update 3 0 --security-groups 0",
            ("one.vm.updatenic", 3, 0, 'NIC = [ SECURITY_GROUPS = "0" ]', 1),
        ),
    ],
)
def test_a_command_is_one_call(fake, type_in, program, words, call):
    fake.answers(call[0], 0)
    result = type_in(program, *words.split())
    assert (result.exit_code, result.output) == (0, "")
    assert fake.calls[-1] == call


@pytest.mark.parametrize(("option", "append"), [([], 0), (["--append"], 1)])
def test_a_nic_is_updated_from_a_file(fake, type_in, option, append):
    fake.answers("one.vm.updatenic", 3)
    type_in("onevm", "nic-update", "3", "0", "-", *option, stdin="NIC=[INBOUND_AVG_BW=5]")
    assert fake.called("one.vm.updatenic") == [[3, 0, "NIC=[INBOUND_AVG_BW=5]", append]]


@pytest.mark.parametrize("words", [["nic-update", "3", "0"], ["nic-update", "3", "0", "-", "--inbound-avg", "1"]])
def test_a_nic_is_not_updated_with_nothing_or_with_both(fake, type_in, words):
    result = type_in("onevm", *words, stdin="NIC=[X=1]")
    assert (result.exit_code, "say what to change" in result.stderr) == (255, True)
    assert fake.called("one.vm.updatenic") == []


def test_clone_tells_the_id(fake, type_in):
    fake.answers("one.secgroup.clone", 105)
    assert type_in("onesecgroup", "clone", "web", "mine").output == "ID: 105\n"
    assert fake.called("one.secgroup.clone") == [[100, "mine"]]


def test_the_list(type_in):
    header, web, default = type_in("onesecgroup", "list").stdout.splitlines()
    assert header.split() == ["ID", "USER", "GROUP", "NAME", "UPDATED", "OUTDATED", "ERROR"]
    assert web.split() == ["100", "oneadmin", "oneadmin", "web", "2", "2", "0"]
    assert default.split()[:4] == ["0", "oneadmin", "oneadmin", "default"]
    assert type_in("onesecgroup", "list", "-l", "NAME,RULES", "-f", "ID=100", "--no-header").stdout.split() == [
        "web",
        "3",
    ]


def test_show_tells_the_rules_and_the_vms(type_in):
    said = [" ".join(line.split()) for line in type_in("onesecgroup", "show", "web").stdout.splitlines()]
    for line in (
        "UPDATED : 1,2",
        "ERROR : -",
        "TYPE PROTOCOL ICMP_TYPE RANGE PEER",
        "inbound TCP - 80,443 any",
        "inbound ICMP 8 - 10.0.0.1 and 2 more",
        "outbound ALL - - network 4",
        'DESCRIPTION="for all"',
    ):
        assert line in said


def test_show_as_json(type_in):
    shown = json.loads(type_in("onesecgroup", "show", "100", "-j").stdout)
    assert len(shown["SECURITY_GROUP"]["TEMPLATE"]["RULE"]) == 3

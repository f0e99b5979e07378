"""oneacl, typed against a small engine."""

import pytest

from tests.cli.fake_engine import user_xml

RULES = """<ACL_POOL><ACL><ID>0</ID><USER>200000001</USER><RESOURCE>9400000000</RESOURCE><RIGHTS>8</RIGHTS>
<ZONE>400000000</ZONE><STRING>@1 VM+IMAGE/* CREATE *</STRING></ACL><ACL><ID>7</ID><USER>100000002</USER>
<RESOURCE>2800000064</RESOURCE><RIGHTS>3</RIGHTS><ZONE>100000000</ZONE><STRING>#2 HOST/%100 USE+MANAGE #0</STRING>
</ACL></ACL_POOL>"""


@pytest.fixture(autouse=True)
def _rules(fake):
    fake.answers("one.acl.info", RULES)
    fake.answers("one.acl.addrule", 8)
    fake.users[2] = user_xml(2, "alice")
    fake.clusters[100] = "<CLUSTER><ID>100</ID><NAME>far</NAME></CLUSTER>"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("@106 IMAGE/#31 USE", ["20000006a", "810000001f", "1", "400000000"]),
        ("#alice HOST/%far MANAGE #0", ["100000002", "2800000064", "2", "100000000"]),
        ("@users vm+image/* create *", ["200000001", "9400000000", "8", "400000000"]),
    ],
)
def test_a_rule_is_sent_as_words(fake, type_in, rule, words):
    assert type_in("oneacl", "create", rule).output == "ID: 8\n"
    assert fake.called("one.acl.addrule") == [words]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("@users", "has 1 word, a rule has three or four"),
        ("@users TREE/* USE", "TREE is no kind of objects: there are VM, HOST"),
        ("@users VM/* FLY", "FLY is no right: there are USE, MANAGE, ADMIN, CREATE"),
        ("@nobody VM/* USE", "Group named nobody not found"),
        ("@users DOCUMENT/#notes USE", "DOCUMENT notes is not an id"),
    ],
)
def test_what_is_no_rule_is_told_and_nothing_is_sent(fake, type_in, rule, told):
    result = type_in("oneacl", "create", rule)
    assert (result.exit_code, told in result.stderr) == (255, True), result.stderr
    assert fake.called("one.acl.addrule") == []


def test_the_list_has_a_letter_for_each_kind_and_right(type_in):
    header, first, second = type_in("oneacl", "list").stdout.splitlines()
    assert header.split() == ["ID", "USER", "RES_VHNIUTGDCOZSvRMAPtB", "RID", "OPE_UMAC", "ZONE"]
    assert first.split() == ["0", "@1", "V--I---------------", "*", "---c", "*"]
    assert second.split() == ["7", "#2", "-H-----------------", "%100", "um--", "#0"]


def test_rules_are_deleted_by_ids_ranges_and_by_what_they_say(fake, type_in):
    fake.answers("one.acl.delrule", 0, 0, 0)
    assert type_in("oneacl", "delete", "0,2..3").exit_code == 0
    assert type_in("oneacl", "delete", "#2 HOST/%100 USE+MANAGE #0").exit_code == 0
    assert fake.called("one.acl.delrule") == [[0], [2], [3], [7]]

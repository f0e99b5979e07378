"""What a VM group may be, and what is told about one that cannot be."""

import pytest

from tests.core.vm_group.builders import group, roles
from trifid.core.vm_group.define import ROLES_MAX, with_role, with_role_changed, without_role
from trifid.core.vm_group.record import Policy, Role, Spread
from trifid.errors import BadTemplate

WEB = "ROLE = [ NAME = web ]"
THREE = roles(a="", b="", c="")


def test_a_group_is_its_roles_and_its_rules():
    made = group(
        'ROLE = [ NAME = "web", POLICY = anti_affined, HOST_AFFINED = "3, 1,3" ]\n'
        'ROLE = [ NAME = "db", HOST_ANTI_AFFINED = "2", ID = 9, VMS = "4" ]\n'
        'ANTI_AFFINED = "web, db"\nSPREAD = [ ROLE = web, OVER = rack, MAX_SKEW = 2 ]\nOWNER = alice'
    )
    assert made.roles == (
        Role(0, "web", Policy.ANTI_AFFINED, host_affined=(1, 3)),
        Role(1, "db", host_anti_affined=(2,)),
    )
    assert made.rules("ANTI_AFFINED") == [frozenset({"web", "db"})]
    assert made.spreads() == {"web": Spread("RACK", 2)}
    assert (made.template.single("OWNER"), "ROLE" in made.template, made.next_role_id) == ("alice", False, 2)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("X = 1", "a VM group needs a role"),
        ("ROLE = web", "ROLE must be a vector"),
        ("ROLE = [ POLICY = AFFINED ]", "Missing NAME in VM group role"),
        ('ROLE = [ NAME = "a,b" ]', "char ',' is not allowed"),
        ('ROLE = [ NAME = "a<b" ]', "char '<' is not allowed"),
        (f"{WEB}\n{WEB}", "Role already exists: web is given 2 times"),
        ("\n".join(f"ROLE = [ NAME = r{n} ]" for n in range(ROLES_MAX + 1)), "Maximum number of roles"),
        ("ROLE = [ NAME = web, POLICY = SOMETIMES ]", "POLICY must be one of NONE, AFFINED, ANTI_AFFINED, is"),
        ("ROLE = [ NAME = web, POLCY = AFFINED ]", "POLCY is not known.* did you mean POLICY"),
        ("ROLE = [ NAME = web, SPREAD = RACK ]", r"write SPREAD = \[ ROLE = web, OVER = … \] beside it"),
        ("ROLE = [ NAME = web, HOST_AFFINED = node1 ]", "HOST_AFFINED must be ids of hosts"),
        ('ROLE = [ NAME = web, HOST_AFFINED = "1,2", HOST_ANTI_AFFINED = "2" ]', "host 2 is in HOST_AFFINED and in"),
        (f"{WEB}\nAFFINED = [ A = web ]", "AFFINED must be the names of roles"),
        (f'{WEB}\nAFFINED = "web, wbe"', r"Some roles used in AFFINED attribute \(wbe, web\) are not defined: wbe"),
        (f'{WEB}\nANTI_AFFINED = "web"', "a rule is about two roles or more; for one role there is its POLICY"),
        (f'{THREE}\nAFFINED = "a,b"\nAFFINED = "b, a"', r"Duplicated AFFINED rule \(a, b\) detected"),
        (
            f'{roles(a="ANTI_AFFINED", b="")}\nAFFINED = "a,b"',
            "Role a is in an AFFINED rule but the role policy is ANTI_AFFINED",
        ),
        (f'{THREE}\nAFFINED = "a,b"\nANTI_AFFINED = "a,b,c"', "Roles defined in AFFINED and ANTI_AFFINED rules: a b"),
        (f'{THREE}\nAFFINED = "a,b"\nAFFINED = "b,c"\nANTI_AFFINED = "a,c"', "ANTI_AFFINED rules: a c"),
        (
            'ROLE = [ NAME = a, HOST_AFFINED = 1 ]\nROLE = [ NAME = b, HOST_AFFINED = 2 ]\nAFFINED = "a,b"',
            "roles a, b are kept together, and no host is left",
        ),
        (
            'ROLE = [ NAME = a, HOST_AFFINED = 1 ]\nROLE = [ NAME = b, HOST_ANTI_AFFINED = 1 ]\nAFFINED = "a,b"',
            "roles a, b are kept together, and no host is left",
        ),
        (
            'ROLE = [ NAME = a, HOST_AFFINED = 1 ]\nROLE = [ NAME = b, HOST_AFFINED = 1 ]\nANTI_AFFINED = "a,b"',
            "roles a and b are kept apart, and both have only host 1",
        ),
        (f"{WEB}\nSPREAD = RACK", "SPREAD must be a vector"),
        (f"{WEB}\nSPREAD = [ ROLE = web, OVR = RACK ]", "OVR is not known"),
        (f"{WEB}\nSPREAD = [ ROLE = db, OVER = RACK ]", 'SPREAD: ROLE must be one of web, is "db"'),
        (f'{WEB}\nSPREAD = [ ROLE = web, OVER = "a b" ]', "OVER must be CLUSTER, HOST or an attribute"),
        (f"{WEB}\nSPREAD = [ ROLE = web ]", "OVER must be CLUSTER, HOST or an attribute"),
        (f"{WEB}\nSPREAD = [ ROLE = web, OVER = RACK, MAX_SKEW = 0 ]", "MAX_SKEW must be a whole number from 1"),
        (f"{WEB}\nSPREAD = [ ROLE = web, OVER = A ]\nSPREAD = [ ROLE = web, OVER = B ]", "given twice"),
        (
            f"{roles(a='AFFINED')}\nSPREAD = [ ROLE = a, OVER = RACK ]",
            "role a is kept together by AFFINED, and cannot be spread",
        ),
    ],
)
def test_what_is_wrong_is_told(text, told):
    with pytest.raises(BadTemplate, match=told):
        group(text)


def test_a_role_may_be_with_one_and_apart_from_another():
    group(f'{THREE}\nAFFINED = "a,b"\nANTI_AFFINED = "b,c"')


def test_roles_are_numbered_on():
    made = with_role(group(THREE), {"NAME": "d"})
    less = without_role(made, made.roles[3])
    assert [role.id for role in with_role(less, {"NAME": "e"}).roles] == [0, 1, 2, 4]


def test_of_a_role_what_is_not_named_stays_and_what_is_empty_goes():
    made = group('ROLE = [ NAME = web, POLICY = AFFINED, HOST_AFFINED = "1,2", HOST_ANTI_AFFINED = 3 ]')
    changed = with_role_changed(made, made.roles[0], {"HOST_AFFINED": "", "POLICY": "", "ID": "5"})
    assert changed.roles == (Role(0, "web", host_anti_affined=(3,)),)


def test_the_last_role_and_one_that_a_rule_is_about_stay():
    made = group(f'{THREE}\nAFFINED = "a,b"')
    with pytest.raises(BadTemplate, match="are not defined: b"):
        without_role(made, made.roles[1])
    one = group(WEB)
    with pytest.raises(BadTemplate, match="needs a role"):
        without_role(one, one.roles[0])


def test_a_change_of_a_role_must_keep_the_rules_possible():
    made = group(f'{THREE}\nAFFINED = "a,b"')
    with pytest.raises(BadTemplate, match="the role policy is ANTI_AFFINED"):
        with_role_changed(made, made.roles[0], {"POLICY": "ANTI_AFFINED"})

"""What is kept as a VM template, and what a VM made of it gets."""

import pytest

from trifid.core.kept_template import kept, name_of, vetted, vm_template
from trifid.core.template.model import Template, template
from trifid.core.template.scanner import ATTRIBUTES_MAX
from trifid.core.vm_template import VmTemplate
from trifid.errors import BadTemplate

DISKS = [{"IMAGE_ID": "1"}, {"TYPE": "swap", "SIZE": "64"}]
KEPT = VmTemplate(
    id=6,
    uid=0,
    gid=0,
    name="web",
    regtime=0,
    template=template(
        CPU="1",
        MEMORY="64",
        DISK=DISKS,
        USER_INPUTS={"ROLE": "M|text|Role"},
        INPUTS_ORDER="ROLE",
        CONTEXT={"FILES": "/srv/init.sh /srv/$SCRIPT", "ROLE": "$ROLE"},
    ),
)


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "it cannot be empty"), ("  ", "it cannot be empty"), ("a<b", "char '<'"), ("a" * 129, "longer than 128")],
)
def test_a_kept_template_has_a_name_that_can_be_one(text, said):
    with pytest.raises(BadTemplate, match=said):
        name_of(template(NAME=text))


def test_the_name_is_not_among_the_attributes_and_what_is_wrong_is_told_at_once():
    assert kept(template(NAME="web", CPU="1")) == template(CPU="1")
    with pytest.raises(BadTemplate, match="MEMORY attribute must be a positive integer value"):
        kept(template(MEMORY="much"))


def test_what_is_extra_stands_instead_of_all_of_the_same_name():
    made = vm_template(KEPT, template(MEMORY="128", DISK={"IMAGE_ID": "2"}))
    assert made.vectors("DISK") == [{"IMAGE_ID": "2"}]
    assert (made.single("CPU"), made.single("MEMORY")) == ("1", "128")
    assert vm_template(KEPT, Template()).vectors("DISK") == DISKS


def test_a_vm_knows_its_template_and_nothing_of_what_was_asked():
    made = vm_template(KEPT, template(TEMPLATE_ID="99"), "front")
    assert (made.single("TEMPLATE_ID"), made.single("NAME")) == ("6", "front")
    assert "USER_INPUTS" not in made
    assert "INPUTS_ORDER" not in made
    assert vm_template(KEPT, template(NAME="own")).single("NAME") == "own"


@pytest.mark.parametrize(
    "extra",
    [template(SCRIPT="../etc/shadow"), template(script="x"), template(NAME="x")],
    ids=["SCRIPT", "in small letters", "nothing that counts"],
)
def test_files_that_hang_on_what_somebody_else_says_are_not_vetted(extra):
    before = KEPT.template
    assert "CONTEXT" not in vetted(before, vm_template(KEPT, extra))


def test_files_that_hang_on_what_is_as_it_was_are_vetted():
    before = KEPT.template.having(("SCRIPT", "boot.sh"))
    assert "CONTEXT" in vetted(before, before.having(("ROLE", "db")))
    assert "CONTEXT" not in vetted(before, before.replacing("SCRIPT", "other.sh"))


def test_a_vector_that_is_another_now_is_not_vetted():
    before = template(NIC=[{"BRIDGE": "br0"}, {"NETWORK": "lan"}])
    assert ("NIC", {"BRIDGE": "br1"}) not in vetted(before, template(NIC={"BRIDGE": "br1"})).pairs


def test_many_attributes_are_compared_once():
    many = Template(tuple((f"A{number}", "1") for number in range(ATTRIBUTES_MAX)))
    assert vetted(many, many) == many

"""The document of a VM template, against the schema of today's API, with contents that try to break out of it."""

from hypothesis import given

from tests.core.template.strategies import TEMPLATES
from tests.wire.schemas import valid
from tests.wire.test_bodies import NAMED
from trifid.core.template.model import Template, template
from trifid.core.vm.lock import Lock
from trifid.core.vm_template import VmTemplate
from trifid.wire.bodies.vm_template import vm_template


def record(attributes=Template(), **more):
    return VmTemplate(id=3, uid=7, gid=1, name="web <1>", regtime=90, template=attributes, **more)


@given(attributes=TEMPLATES)
def test_whatever_is_kept_makes_a_valid_document(attributes):
    valid(vm_template(record(attributes), NAMED), "vmtemplate")


def test_a_document_tells_everything_of_a_template():
    locked = record(template(CPU="1", NOTE="]]> & <x>"), lock=Lock(2, 9, 100, "5"))
    found = valid(vm_template(locked, NAMED), "vmtemplate")
    assert [found.findtext(name) for name in ("ID", "NAME", "UNAME", "REGTIME")] == [
        "3",
        "web <1>",
        "user <7> & co",
        "90",
    ]
    assert (found.findtext("LOCK/OWNER"), found.findtext("PERMISSIONS/OWNER_M")) == ("9", "1")
    assert found.findtext("TEMPLATE/NOTE") == "]]> & <x>"


def test_other_attributes_can_stand_in_place_of_its_own():
    found = valid(vm_template(record(template(CPU="1")), NAMED, template(CPU="2")), "vmtemplate")
    assert found.findtext("TEMPLATE/CPU") == "2"

"""What of a template is restricted: beside what is there already, once for once, and in no more time than it takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trifid.core.restricted import restricted
from trifid.core.restricted_lists import OF_VM
from trifid.core.template.model import Template, template
from trifid.core.template.scanner import ATTRIBUTES_MAX
from trifid.errors import BadTemplate, NotAllowed

LISTS = restricted(("MINE", "NIC/MAC", "DISK/LIMIT", "RAW/DATA"))

VALUES = st.sampled_from(["1", "2"])
PAIRS = st.one_of(
    st.tuples(st.sampled_from(["MINE", "OTHER"]), VALUES),
    st.tuples(
        st.sampled_from(["NIC", "DISK", "RAW"]),
        st.dictionaries(st.sampled_from(["MAC", "LIMIT", "DATA", "NETWORK", "TYPE", "SIZE"]), VALUES, min_size=1),
    ),
)
TEMPLATES = st.lists(PAIRS, max_size=5).map(lambda pairs: Template(tuple(pairs)))


def values(of: Template) -> list[tuple[str, str]]:
    """Return every restricted value of a template, in an order of its own."""
    found = [("MINE", str(value)) for value in of.all("MINE")]
    for name, key in (("NIC", "MAC"), ("DISK", "LIMIT"), ("RAW", "DATA")):
        found += [(f"{name}/{key}", one[key]) for one in of.vectors(name) if key in one]
    return sorted(found)


@given(TEMPLATES, TEMPLATES)
def test_whoever_is_no_administrator_ends_with_the_restricted_values_that_were_there(old, new):
    try:
        after = LISTS.checked(old, new, uid=7, what="VM")
    except NotAllowed:
        return
    kept = [one for one in values(after) if one[0] != "MINE"]
    assert kept == [one for one in values(old) if one[0] != "MINE"]
    assert set(after.all("MINE")) <= set(old.all("MINE"))
    assert bool(after.all("MINE")) == bool(old.all("MINE"))


@given(TEMPLATES)
def test_what_is_sent_back_as_it_is_is_accepted(old):
    assert LISTS.checked(old, old, uid=7, what="VM") == old


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({}, {"NIC": [{"MAC": "1"}]}, ["NIC/MAC"]),
        ({"NIC": [{"MAC": "1"}]}, {"NIC": [{"MAC": "1", "MODEL": "virtio"}]}, []),
        ({"NIC": [{"MAC": "1", "NETWORK": "a"}]}, {"NIC": [{"MAC": "1", "NETWORK": "b"}]}, ["NIC/MAC"]),
        ({"NIC": [{"MAC": "1"}]}, {"NIC": [{"MAC": "1"}, {"MAC": "1"}]}, ["NIC/MAC"]),
        ({"RAW": [{"TYPE": "kvm", "DATA": "x"}]}, {"RAW": [{"TYPE": "lxc", "DATA": "x"}]}, ["RAW/DATA"]),
        ({"DISK": [{"LIMIT": "1", "SIZE": "1"}]}, {"DISK": [{"LIMIT": "1", "SIZE": "2"}]}, []),
        ({}, {"NIC": "a text", "DISK": []}, []),
    ],
)
def test_what_is_brought_is_told_by_its_path(old, new, found):
    assert LISTS.found(template(new), template(old)) == found


def test_a_key_that_is_left_out_stays_and_says_so():
    old = template(DISK=[{"LIMIT": "1", "IMAGE": "a"}])
    said = r"User \[7\] : VM Template includes a restricted attribute DISK/LIMIT\. It stays"
    with pytest.raises(NotAllowed, match=said):
        LISTS.checked(old, template(DISK=[{"IMAGE": "a"}]), uid=7, what="VM")


def test_many_attributes_are_looked_through_once():
    many = Template(tuple(("MINE", str(number)) for number in range(ATTRIBUTES_MAX)))
    others = Template(tuple((f"A{number}", "1") for number in range(ATTRIBUTES_MAX)))
    assert LISTS.found(many, others) == ["MINE"]


@pytest.mark.parametrize("path", ["", "nic/mac", "NIC/", "/MAC", "NIC/MAC/X", "A B"])
def test_what_names_no_attribute_is_no_entry(path):
    with pytest.raises(BadTemplate, match="must be NAME or NAME/KEY"):
        restricted((path,))


def test_the_usual_list_has_what_todays_has():
    """The beginning of 7.4's list (reference/templates.md §2.2)."""
    paths = ("CONTEXT/FILES", "NIC/MAC", "NIC/VLAN_ID", "NIC/BRIDGE", "RAW/DATA")
    assert all(path.partition("/")[2] in OF_VM.keys(path.partition("/")[0]) for path in paths)
    assert all(OF_VM.is_whole(name) for name in ("USER_PRIORITY", "DEPLOY_ID", "CPU_COST", "PCI", "EMULATOR"))

"""Documents as dictionaries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trifid.wire.elements import DEPTH_MAX, BadDocument, iter_elements, numbers, one_element, several
from trifid.wire.xmltext import escape

POOL = "<VM_POOL>" + "".join(f"<VM><ID>{i}</ID><NAME>web &lt;{i}&gt;</NAME></VM>" for i in range(3)) + "</VM_POOL>"


def test_each_element_of_a_pool_is_a_dict():
    assert list(iter_elements(POOL, "VM")) == [{"ID": str(i), "NAME": f"web <{i}>"} for i in range(3)]
    assert list(iter_elements(POOL, "HOST")) == []


def test_children_repeats_and_empty_elements():
    document = (
        "<VM><T><NIC><IP>1</IP></NIC><NIC><IP>2</IP></NIC><CPU><![CDATA[1]]></CPU></T><VMS></VMS><A/><A/><A/></VM>"
    )
    assert one_element(document, "VM") == {
        "T": {"NIC": [{"IP": "1"}, {"IP": "2"}], "CPU": "1"},
        "VMS": "",
        "A": ["", "", ""],
    }


def test_only_outermost_elements_are_yielded():
    assert list(iter_elements("<A><B><B>1</B></B><B><C>2</C></B></A>", "B")) == [{"B": "1"}, {"C": "2"}]
    assert list(iter_elements("<A><A>1</A></A>", "A")) == [{"A": "1"}]


def test_elements_come_before_a_later_fault():
    found = iter_elements("<P><A><B>1</B></A>" + " " * 200_000 + "</Q>", "A")
    assert next(found) == {"B": "1"}
    with pytest.raises(BadDocument, match="not a document: mismatched tag"):
        next(found)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", "not a document: no element found"),
        ("no", "not a document: syntax error"),
        (b"\xff\xfe\xff", "not a document"),
        (b'<?xml version="1.0" encoding="utf-7"?><A/>', "not a document"),
        ('<!DOCTYPE A [<!ENTITY a "b">]><A>&a;</A>', "a document with a document type declaration"),
        ("<A>" * (DEPTH_MAX + 1), f"nested more than {DEPTH_MAX} deep"),
        ("<A>" * 100_000, f"nested more than {DEPTH_MAX} deep"),
        ("<B/>", "the document has no A element"),
    ],
)
def test_what_is_no_document_is_refused(document, message):
    with pytest.raises(BadDocument, match=message):
        one_element(document, "A")


@given(st.binary(max_size=40) | st.lists(st.sampled_from([b"<A>", b"</A>", b"&", b"<", b"]]>", b"x"])).map(b"".join))
def test_any_bytes_are_read_or_refused(document):
    try:
        assert all(isinstance(one, dict | str) for one in iter_elements(document, "A"))
    except BadDocument as refusal:
        assert str(refusal)


VALUES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), max_size=8
)
TREES = st.recursive(
    VALUES,
    lambda inner: st.dictionaries(
        st.sampled_from(["A", "B", "C"]),
        inner | st.lists(inner, min_size=2, max_size=3),
        min_size=1,
        max_size=3,
    ),
    max_leaves=12,
)


def written(name, value):
    if isinstance(value, list):
        return "".join(written(name, one) for one in value)
    inner = "".join(written(k, v) for k, v in value.items()) if isinstance(value, dict) else escape(value)
    return f"<{name}>{inner}</{name}>"


@given(TREES.filter(lambda tree: isinstance(tree, dict)))
def test_a_tree_survives_as_a_document(tree):
    assert one_element(written("ROOT", tree), "ROOT") == tree


def test_what_may_be_missing_single_or_repeated_becomes_a_list():
    assert several(None) == several("") == []
    assert several("1") == ["1"]
    assert several({"A": "1"}) == [{"A": "1"}]
    assert several(["1", "2"]) == ["1", "2"]
    assert numbers(None) == numbers("") == []
    assert numbers({"ID": "3"}) == [3]
    assert numbers({"ID": ["3", "4"]}) == [3, 4]

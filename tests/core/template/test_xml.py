"""The XML form of templates: nothing is lost, and nothing that XML can do is accepted beyond that."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.core.template.strategies import TEMPLATES
from trifid.core.template.model import Template, template
from trifid.core.template.scanner import ATTRIBUTES_MAX, TEXT_LENGTH_MAX, parse
from trifid.core.template.xml import from_xml, to_xml
from trifid.errors import BadTemplate


@given(TEMPLATES)
@settings(max_examples=300, deadline=None)
def test_a_template_survives_as_xml(one):
    assert from_xml(to_xml(one)) == one.by_name()


@given(TEMPLATES)
@settings(deadline=None)
def test_another_parser_reads_the_same_values(one):
    root = etree.fromstring(to_xml(one))
    read = [(e.tag, {k.tag: k.text or "" for k in e} if len(e) else e.text or "") for e in root]
    assert Template(tuple(read)) == one.by_name()


def test_attributes_come_out_sorted_and_as_cdata():
    one = template(B="1", A=["x", "a"], DISK={"TARGET": "sda", "SOURCE": "/<&"})
    assert to_xml(one) == (
        "<TEMPLATE><A><![CDATA[x]]></A><A><![CDATA[a]]></A><B><![CDATA[1]]></B>"
        "<DISK><SOURCE><![CDATA[/<&]]></SOURCE><TARGET><![CDATA[sda]]></TARGET></DISK></TEMPLATE>"
    )


def test_a_vector_without_pairs_disappears():
    assert to_xml(template(A={}, B="")) == "<TEMPLATE><B><![CDATA[]]></B></TEMPLATE>"


@pytest.mark.parametrize(
    ("document", "pairs"),
    [
        ("<TEMPLATE/>", []),
        ('<?xml version="1.0"?><VM><A>1</A></VM>', [("A", "1")]),
        (' \n<?xml version="1.0" encoding="latin-1"?><VM><A>é</A></VM>', [("A", "é")]),
        ("<t>\n <a>1</a>\n <a> 2 </a>\n</t>", [("A", "1"), ("A", " 2 ")]),
        ("<T><A>&lt;&#65;&amp;</A></T>", [("A", "<A&")]),
        ("<T><A>a<![CDATA[<b>]]>c</A></T>", [("A", "a<b>c")]),
        ("<T><A x='1'>1</A><!-- no --><?pi no?></T>", [("A", "1")]),
        ("<T><D>\n <k>1</k>\n <K>2</K>\n</D></T>", [("D", {"K": "1"})]),
        ("<T><D/></T>", [("D", "")]),
    ],
)
def test_what_is_read(document, pairs):
    assert list(from_xml(document)) == pairs


LAUGHS = '<!DOCTYPE T [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><T><A>&b;&b;&b;</A></T>'


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (LAUGHS, "line 1 column 13: a document type is not accepted in a template"),
        ('<!DOCTYPE T SYSTEM "file:///etc/passwd"><T/>', "a document type is not accepted"),
        ("<T><A>&b;</A></T>", "not XML: undefined entity"),
        ("<T><A>1</A>", "line 1 column 12: not XML: no element found"),
        ("<T><A>1</B></T>", "not XML: mismatched tag"),
        ("<T/><T/>", "not XML: junk after document element"),
        ("<T><A><B><C>1</C></B></A></T>", "<C> in A key B: nothing nests deeper than a key of a vector"),
        ("<T>\n<A>1</A> stray</T>", 'line 2 column 15: text "stray" between elements belongs to no attribute'),
        ("<T>1</T>", 'text "1" between elements belongs to no attribute'),
        ("<T><A>x<B>1</B></A></T>", 'text "x" between elements'),
        ("<T><A><B>1</B>x</A></T>", 'text "x" between elements'),
        ("<T><a:b>1</a:b></T>", "<a:b> cannot name an attribute"),
        ("<T><A>]]&gt;</A></T>", "a value cannot hold ]]>"),
        ("<T><A>\x01</A></T>", "character U+0001 cannot be part of a template"),
        ("<T><A>&#1;</A></T>", "not XML: reference to invalid character number"),
    ],
)
def test_what_is_refused(document, message):
    with pytest.raises(BadTemplate) as refusal:
        parse(document)
    assert message in refusal.value.message


def test_a_hundred_thousand_nested_elements_are_refused_at_the_fourth():
    with pytest.raises(BadTemplate, match="column 10: <a> in A key A: nothing nests deeper"):
        from_xml("<a>" * 100_000 + "</a>" * 100_000)


def test_too_much_is_refused():
    with pytest.raises(BadTemplate, match=f"at most {TEXT_LENGTH_MAX} are accepted"):
        from_xml("<T>" + " " * TEXT_LENGTH_MAX + "</T>")
    with pytest.raises(BadTemplate, match="too many attributes"):
        from_xml("<T>" + "<A/>" * (ATTRIBUTES_MAX + 1) + "</T>")


PIECES = st.sampled_from(
    [
        "<",
        ">",
        "<T>",
        "</T>",
        "<A>",
        "</A>",
        "<B/>",
        "&",
        "&amp;",
        "&#13;",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<?",
        "x",
    ]
)


@given(st.lists(PIECES | st.text(max_size=2), max_size=12).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_text_that_begins_like_xml_is_a_template_or_refused(text):
    try:
        parse("<" + text)
    except BadTemplate as refusal:
        assert refusal.message.startswith("line ")

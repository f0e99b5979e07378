"""The text form of templates: what is read, what is refused and where, and that nothing is lost."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lark import Lark, Transformer
from lark.exceptions import UnexpectedInput

from tests.core.template.strategies import TEMPLATES, VALUES
from trifid.core.template.model import Template, template
from trifid.core.template.scanner import ATTRIBUTES_MAX, TEXT_LENGTH_MAX, parse, render
from trifid.errors import BadTemplate

# -- the templates of the slides of 2009, to the letter ----------------------------------------------

VM_EXAMPLE = """\
NAME = vm-example  
CPU   = 1  
MEMORY = 512

# --- kernel & boot device ---

OS = [  
  kernel   = "/vmlinuz",  
  initrd   = "/initrd.img",  
  root     = "sda" ]

# --- 2 disks ---

DISK = [  
  source    = "/images/etch/disk.img",  
  target    = "sda" ]

DISK = [  
  type      = swap,  
  size      = 1024,  
  target    = "sdb" ]

# --- 1 NIC ---

NIC = [ network="public" ]
"""  # noqa: W291

RANGED = """\
NAME          = "Private LAN"  
TYPE          = RANGED  
BRIDGE       = eth0  
NETWORK_SIZE = 250  
NETWORK_ADDRESS= 10.0.0.0
"""  # noqa: W291

FIXED = """\
NAME = "Public LAN"  
TYPE = FIXED  
BRIDGE= eth1  
LEASES= [IP=130.10.0.1,MAC=50:20:20:20:20:20]  
LEASES= [IP=130.10.0.2]
"""  # noqa: W291

DISK_OPTIONS = """\
DISK = [  
  type      = "floppy|disk|cdrom|swap",  
  source    = "path_to_disk_image_file|physical_dev",  
  size      = "size_in_GB",  
  save      = "path_to_disk_image_file" ]
"""  # noqa: W291


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            VM_EXAMPLE,
            template(
                NAME="vm-example",
                CPU="1",
                MEMORY="512",
                OS={"KERNEL": "/vmlinuz", "INITRD": "/initrd.img", "ROOT": "sda"},
                DISK=[
                    {"SOURCE": "/images/etch/disk.img", "TARGET": "sda"},
                    {"TYPE": "swap", "SIZE": "1024", "TARGET": "sdb"},
                ],
                NIC={"NETWORK": "public"},
            ),
        ),
        (
            RANGED,
            template(NAME="Private LAN", TYPE="RANGED", BRIDGE="eth0", NETWORK_SIZE="250", NETWORK_ADDRESS="10.0.0.0"),
        ),
        (
            FIXED,
            template(
                NAME="Public LAN",
                TYPE="FIXED",
                BRIDGE="eth1",
                LEASES=[{"IP": "130.10.0.1", "MAC": "50:20:20:20:20:20"}, {"IP": "130.10.0.2"}],
            ),
        ),
        (
            DISK_OPTIONS,
            template(
                DISK={
                    "TYPE": "floppy|disk|cdrom|swap",
                    "SOURCE": "path_to_disk_image_file|physical_dev",
                    "SIZE": "size_in_GB",
                    "SAVE": "path_to_disk_image_file",
                }
            ),
        ),
    ],
    ids=["vm-example", "ranged", "fixed", "disk options"],
)
def test_the_templates_of_the_2009_slides(text, expected):
    assert parse(text) == expected


# -- what is read ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", []),
        (" \t\r\n\n# only a comment", []),
        ("a=1", [("A", "1")]),
        ("A = 1 B = 2", [("A", "1"), ("B", "2")]),
        ("A=1\r\nB=2\r\n", [("A", "1"), ("B", "2")]),
        ("A =\nB = x", [("A", ""), ("B", "x")]),
        ('A = ""', [("A", "")]),
        ('A = "b c"', [("A", "b c")]),
        ('A = "b\nc"', [("A", "b\nc")]),
        (r'A = "b \"c\" d"', [("A", 'b "c" d')]),
        (r'A = "b\n\\c"', [("A", r"b\n\\c")]),
        (r"A = b\"c", [("A", r"b\"c")]),
        ("A = 'b \"c\" d'", [("A", 'b "c" d')]),
        (r"A = 'b\'", [("A", "b\\")]),
        ("A = it's", [("A", "it's")]),
        ("A = 'tis", [("A", "'tis")]),
        ('A="1', [("A", '"1')]),
        ('NAME="x\nCPU=1', [("NAME", '"x'), ("CPU", "1")]),
        ('A = [ K = "1 ]', [("A", {"K": '"1'})]),
        ("A = 5 # five", [("A", "5")]),
        ("A = 5#five\nB = 6", [("A", "5"), ("B", "6")]),
        ('A = "#5"', [("A", "#5")]),
        ("  # A = 1\nB = 2", [("B", "2")]),
        ("A = 1\nA = 2\nB = 0\nA = [ K = 3 ]", [("A", "1"), ("A", "2"), ("B", "0"), ("A", {"K": "3"})]),
        ("A=[K=1,L=2]", [("A", {"K": "1", "L": "2"})]),
        ('A = [\n K\n = 1 # one\n ,\n # two follows\n L = "2"\n]', [("A", {"K": "1", "L": "2"})]),
        ("A = [ ]", [("A", {})]),
        ("A = [\n# nothing\n]", [("A", {})]),
        ('A = [ K = "" ]', [("A", {"K": ""})]),
        ("A = [ k = 1, K = 2 ]", [("A", {"K": "1"})]),
        ("A = [ K = 'b, c' ]", [("A", {"K": "b, c"})]),
        ("A = [ K = 1 ]B = 2", [("A", {"K": "1"}), ("B", "2")]),
        ("1A = x", [("ONE_1A", "x")]),
        ("A = [ 1k = x ]", [("A", {"ONE_1K": "x"})]),
        ("A = /a/b:c?d&e<f>|;$x{}()*", [("A", "/a/b:c?d&e<f>|;$x{}()*")]),
        ("\n\t <T><A>1</A></T>", [("A", "1")]),
    ],
)
def test_what_is_read(text, pairs):
    assert list(parse(text)) == pairs


# -- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A", "line 1 column 2: expected = after A (a value with blanks needs quotes), found end of text"),
        ("A = 1\n  B c", 'line 2 column 5: expected = after B (a value with blanks needs quotes), found "c"'),
        ("A = b c", "line 1 column 8: expected = after C (a value with blanks needs quotes), found end of text"),
        ("A =", 'line 1 column 4: expected a value or [ after A = (write A = "" for an empty one), found end of text'),
        ("A = # five", 'line 1 column 5: expected a value or [ after A = (write A = "" for an empty one), found #'),
        ("A = 1,B = 2", "line 1 column 6: expected a blank or the end of the line after the value of A, found ,"),
        ('A = "1"2', 'line 1 column 8: expected a blank or the end of the line after the value of A, found "2"'),
        ('\nA = "1 2', "line 2 column 9: expected = after ONE_2 (a value with blanks needs quotes), found end of text"),
        ("= 1", "line 1 column 1: expected the name of an attribute, found ="),
        ("é = 1", 'line 1 column 1: expected the name of an attribute, found "é"'),
        ("NIC = [", "line 1 column 8: expected ] to close NIC, found end of text"),
        ("NIC = [ A = 1", "line 1 column 14: expected ] to close NIC, found end of text"),
        ("NIC = [ A", "line 1 column 10: expected ] to close NIC, found end of text"),
        ("NIC = [ A 1 ]", 'line 1 column 11: expected = after NIC key A, found "1"'),
        ("NIC = [\n A = 1\n B = 2 ]", "line 3 column 2: expected a comma or ] after NIC key A (a value with blanks"),
        ("NIC = [ A = ]", 'line 1 column 13: expected a value after NIC key A = (write A = "" for an empty one)'),
        ("NIC = [ A =\n 1 ]", "line 1 column 12: expected a value after NIC key A"),
        ("NIC = [ A = 1, ]", "line 1 column 16: expected a key of NIC, found ]"),
        ("NIC = [ A = [ B = 1 ] ]", "line 1 column 13: expected a value after NIC key A"),
        ('A = "]]>"', "line 1 column 1: a value cannot hold ]]>"),
        ("A = 1\nB = \x01", "line 2 column 5: character U+0001 cannot be part of a template"),
        ("A = \ud800", "line 1 column 5: character U+D800 cannot be part of a template"),
    ],
)
def test_what_is_refused_and_where(text, message):
    with pytest.raises(BadTemplate) as refusal:
        parse(text)
    assert refusal.value.message.startswith(message)


def test_a_text_that_is_too_long_is_refused():
    parse("#" * TEXT_LENGTH_MAX)
    with pytest.raises(BadTemplate, match=f"has {TEXT_LENGTH_MAX + 1} characters: at most {TEXT_LENGTH_MAX}"):
        parse("#" * (TEXT_LENGTH_MAX + 1))


@pytest.mark.parametrize("text", ["A=1\n" * (ATTRIBUTES_MAX + 1), "A=[" + "K=1," * (ATTRIBUTES_MAX + 1) + "K=1]"])
def test_too_many_attributes_are_refused(text):
    with pytest.raises(BadTemplate, match="too many attributes; divide it"):
        parse(text)


@pytest.mark.parametrize(
    "unit",
    ["A=[", "A='", "A=\\", 'A="\\"', "#", "\n", "A = [ K\n", "'", '\\"', "A=[K=1,\n#\n", "A=1 ", 'A="b c"\n', "A=x'\n"],
)
@pytest.mark.timeout(10)
def test_a_megabyte_of_anything_is_answered_at_once(unit):
    text = 'A="' + unit * (TEXT_LENGTH_MAX // len(unit) - 10)
    for one in (text, text[3:]):
        try:
            parse(one)
        except BadTemplate as refusal:
            assert len(refusal.message) < 500


# -- an oracle ---------------------------------------------------------------------------------------

GRAMMAR = r"""
start: GAP? (attribute GAP?)*
attribute: NAME B? "=" B? SINGLE                                     -> single
         | NAME B? EMPTY                                             -> empty
         | NAME B? "=" B? "[" GAP? (pair ("," GAP? pair)*)? "]"      -> vector
pair: NAME GAP? "=" B? VALUE GAP?

NAME: /[A-Za-z0-9_][A-Za-z0-9_.-]*/
SINGLE: /(?>QUOTED|APOSTROPHES|BARE)(?=[ \t\r\n#]|\Z)/
VALUE: /QUOTED|APOSTROPHES|BARE/
EMPTY: /=[ \t\r]*(?=\n)/
B: /[ \t\r]+/
GAP: /([ \t\r\n]|#[^\n]*)+/
"""
PARTS = {
    "QUOTED": r'''"(?:[^"\\]|[\\]"|[\\](?!"))*"''',
    "APOSTROPHES": r"""'[^']*'(?=[ \t\r\n#,\]]|\Z)""",
    "BARE": r"""(?:[^ \t\r\n=#,\[\]"]|"(?!(?:[^"\\]|[\\]"|[\\](?!"))*"))[^ \t\r\n=#,\[\]]*""",
}
for name, part in PARTS.items():
    GRAMMAR = GRAMMAR.replace(name, part)
ORACLE = Lark(GRAMMAR, parser="earley", lexer="dynamic", ambiguity="resolve")


class _Pairs(Transformer):
    """From the oracle's tree to (name, value) pairs."""

    def start(self, children):
        return [child for child in children if isinstance(child, tuple)]

    def single(self, children):
        name, value = (child for child in children if child.type in ("NAME", "SINGLE"))
        return _kept(name), _unquoted(value)

    def empty(self, children):
        return _kept(children[0]), ""

    def vector(self, children):
        pairs = {}
        for child in children:
            if isinstance(child, tuple):
                pairs.setdefault(*child)
        return _kept(children[0]), pairs

    def pair(self, children):
        name, value = (child for child in children if child.type in ("NAME", "VALUE"))
        return _kept(name), _unquoted(value)


def _kept(name):
    return ("ONE_" if name[0].isdigit() else "") + name.upper()


def _unquoted(value):
    if re.fullmatch(PARTS["QUOTED"], value):
        return value[1:-1].replace('\\"', '"')
    between = value[1:-1]
    return str(between if len(value) > 1 and value[0] == value[-1] == "'" and "'" not in between else value)


WORDS = st.sampled_from(
    [
        *"Ab1_.=[],#\"'\\ \t\r\né/",
        *('\\"', " = ", "A=1\n", "DISK = [ ", " K = v", ' L="x y"', "M='z'", " ]\n", ", ", "# c\n", "N =\n", "[ ]"),
    ]
)


@given(st.lists(WORDS, max_size=14).map("".join))
@example("M='z''")
@settings(max_examples=600, deadline=None)
def test_the_scanner_agrees_with_the_grammar(text):
    try:
        expected = _Pairs().transform(ORACLE.parse(text))
    except UnexpectedInput:
        expected = None
    try:
        found = list(parse(text))
    except BadTemplate:
        found = None
    assert found == expected


# -- properties --------------------------------------------------------------------------------------


@given(st.text(max_size=60) | st.lists(WORDS | st.text(max_size=3), max_size=30).map("".join))
@settings(max_examples=500, deadline=None)
def test_any_text_is_a_template_or_refused_in_one_line_with_its_place(text):
    try:
        found = parse(text)
    except BadTemplate as refusal:
        assert refusal.message.startswith("line ")
        assert "\n" not in refusal.message
    else:
        assert all(name == name.upper() for name, _ in found)


@given(TEMPLATES)
@settings(max_examples=300, deadline=None)
def test_a_rendered_template_is_the_same_template(one):
    text = render(one)
    again = parse(text)
    assert again == one


@given(TEMPLATES)
@settings(deadline=None)
def test_what_was_read_renders_and_reads_the_same(one):
    text = render(one)
    assert render(parse(text)) == text


@given(st.lists(VALUES, max_size=4))
@settings(deadline=None)
def test_repeated_attributes_keep_their_order(values):
    one = Template(tuple(("A", value) for value in values))
    assert parse(render(one)).all("A") == values


def test_a_vector_without_pairs_survives_as_text():
    assert parse(render(template(A={}))) == template(A={})


def test_a_value_without_text_form_makes_the_whole_template_xml():
    one = template(B="ends in 'blank' \\", A={"K": "1"})
    assert render(one).startswith("<TEMPLATE>")
    assert parse(render(one)) == one

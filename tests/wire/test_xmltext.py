"""Text inside XML: what another parser reads is what was written."""

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from trifid.wire.xmltext import REPLACEMENT, escape, is_element_name, unescape, writable

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)


def is_writable(char):
    number = ord(char)
    if number < 0x20:
        return char in "\t\n\r"
    return not (0xD800 <= number <= 0xDFFF or number in (0xFFFE, 0xFFFF))


@given(ANY_TEXT)
def test_another_parser_reads_what_was_written(text):
    expected = "".join(char if is_writable(char) else REPLACEMENT for char in text)
    assert (etree.fromstring(f"<a>{escape(text)}</a>").text or "") == expected


@given(ANY_TEXT)
def test_unescaped_text_is_what_was_escaped(text):
    assert unescape(escape(text)) == writable(text)


@given(ANY_TEXT)
def test_writable_text_is_left_as_it_is(text):
    once = writable(text)
    assert writable(once) == once
    assert all(is_writable(char) for char in once)


def test_every_control_character_is_known():
    for number in range(0x20):
        assert (writable(chr(number)) == chr(number)) == is_writable(chr(number))


def test_escaped_text_holds_no_markup():
    assert escape("<a>&\r\n\"'") == "&lt;a&gt;&amp;&#13;\n\"'"
    assert escape("]]>") == "]]&gt;"


@given(st.text("AZaz_09.-:<> é\n", max_size=4))
def test_what_may_name_an_element_does(text):
    if is_element_name(text):
        assert etree.fromstring(f"<{text}/>").tag == text
    assert not is_element_name(text + " ")
    assert is_element_name("A" + text) == all(char in "AZaz_09.-" for char in text)

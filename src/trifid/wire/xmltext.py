"""Text inside XML: escaping, and the characters that XML cannot carry.

Documents are built as strings, not as trees: a pool of ten thousand VMs is read far more often than
anything in it changes, and a string is what goes out.
"""

import re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Stands for a character that XML 1.0 has no way to write (most control characters, lone surrogates)."""

_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ELEMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_UNWRITABLE_ASCII = bytes({*range(32)} - {*b"\t\n\r"})


def is_element_name(text: str) -> bool:
    """Tell whether `text` can name an element: what a probe says need not."""
    return _ELEMENT_NAME.fullmatch(text) is not None


def writable(text: str) -> str:
    """Return `text` with every character that XML cannot carry replaced by U+FFFD."""
    if text.isascii():
        data = text.encode("ascii")
        if len(data.translate(None, _UNWRITABLE_ASCII)) == len(data):
            return text  # the usual case, and ten times faster than the expression
    return _UNWRITABLE.sub(REPLACEMENT, text)


def escape(text: str) -> str:
    """Return `text` as the content of an XML element.

    A carriage return is written as a reference, else a parser would turn it into a line feed.
    """
    text = writable(text)
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    if "\r" in text:
        text = text.replace("\r", "&#13;")
    return text


def unescape(text: str) -> str:
    """Return what `escape` made a text of."""
    for reference, char in (("&#13;", "\r"), ("&gt;", ">"), ("&lt;", "<"), ("&amp;", "&")):
        text = text.replace(reference, char)
    return text

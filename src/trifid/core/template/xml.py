"""The XML form of templates: `<TEMPLATE><NAME>v</NAME><DISK><KEY>v</KEY></DISK></TEMPLATE>`.

Values come out as CDATA, sorted by name (reference/api-modern.md §5.1).  On input any root name is
accepted; document types and entities are not, and nothing nests deeper than a key of a vector.
"""

from typing import NoReturn
from xml.parsers import expat

from trifid.core.template.model import Template, Value
from trifid.core.template.scanner import ATTRIBUTES_MAX, TEXT_LENGTH_MAX, attribute_name, is_name, refuse_illegal
from trifid.errors import BadTemplate

_ROOT, _ATTRIBUTE, _KEY = 1, 2, 3
_BLANKS = " \t\r\n"


def to_xml(template: Template, root: str = "TEMPLATE") -> str:
    """Return the template as one XML element.

    A vector without any pair is left out: an empty element would be an empty single attribute.
    """
    return f"<{root}>{fragment(template)}</{root}>"


def fragment(template: Template) -> str:
    """Return the elements of the attributes, without a root."""
    return "".join([element(name, value) for name, value in template.by_name()])


def element(name: str, value: Value) -> str:
    """Return the element of one attribute, its keys in their order; empty for a vector without pairs."""
    if isinstance(value, str):
        return f"<{name}>{text(value)}</{name}>"
    inner = "".join([f"<{key}>{text(one)}</{key}>" for key, one in value.items()])
    return f"<{name}>{inner}</{name}>" if inner else ""


def text(value: str) -> str:
    """Return a value as character data.

    CDATA cannot hold `]]>`, and a parser changes its carriage returns: such a value is escaped instead.
    """
    if "]]>" not in value and "\r" not in value:
        return f"<![CDATA[{value}]]>"
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def from_xml(document: str, *, length_max: int = TEXT_LENGTH_MAX, attributes_max: int = ATTRIBUTES_MAX) -> Template:
    """Return the template of an XML document with any root; XML attributes mean nothing and are ignored.

    Raises:
        BadTemplate: with line and column; also for a document type, an entity or deeper nesting.
    """
    if len(document) > length_max:
        raise BadTemplate(f"the template has {len(document)} characters: at most {length_max} are accepted")
    refuse_illegal(document)
    stripped = document.lstrip(_BLANKS)
    # Only a declaration must come first of all; elsewhere the blanks stay, for the line numbers of errors.
    return Template(tuple(_Reader(attributes_max).read(stripped if stripped.startswith("<?xml") else document)))


class _Reader:
    """Builds the attributes while expat reads."""

    def __init__(self, attributes_max: int) -> None:
        self.pairs: list[tuple[str, Value]] = []
        self.depth = 0
        self.left = attributes_max
        self.name = self.key = ""
        self.vector: dict[str, str] = {}
        self.data: list[str] = []
        self.parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.characters
        parser.StartDoctypeDeclHandler = self.doctype

    def read(self, document: str) -> list[tuple[str, Value]]:
        """Return the attributes of a document."""
        try:
            self.parser.Parse(document, True)
        except expat.ExpatError as bad:
            why = expat.errors.messages[bad.code]
            raise BadTemplate(f"line {bad.lineno} column {bad.offset + 1}: not XML: {why}") from bad
        return self.pairs

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth == _ROOT:
            return
        if self.depth > _KEY:
            self.refuse(f"<{tag[:40]}> in {self.name} key {self.key}: nothing nests deeper than a key of a vector")
        if not is_name(tag):
            self.refuse(f"<{tag[:40]}> cannot name an attribute")
        self.left -= 1
        if self.left < 0:
            self.refuse("the template has too many attributes; divide it")
        self.blank_before_element()
        if self.depth == _ATTRIBUTE:
            self.name, self.vector = attribute_name(tag), {}
        else:
            self.key = attribute_name(tag)

    def end(self, _tag: str) -> None:
        self.depth -= 1
        if self.depth == _ATTRIBUTE:
            self.vector.setdefault(self.key, self.value())
        elif self.depth == _ROOT:
            if self.vector:
                self.blank_before_element()
            self.pairs.append((self.name, self.vector or self.value()))
        else:
            self.blank_before_element()

    def characters(self, data: str) -> None:
        self.data.append(data)

    def value(self) -> str:
        """Return the character data of the element that ends."""
        found = "".join(self.data)
        self.data.clear()
        if "]]>" in found:
            self.refuse("a value cannot hold ]]>")
        return found

    def blank_before_element(self) -> None:
        """Forget the blanks between elements; anything else there belongs to no attribute."""
        stray = "".join(self.data).strip(_BLANKS)
        self.data.clear()
        if stray:
            self.refuse(f'text "{stray[:20]}" between elements belongs to no attribute')

    def doctype(self, *_declaration: object) -> None:
        self.refuse("a document type is not accepted in a template")

    def refuse(self, why: str) -> NoReturn:
        raise BadTemplate(f"line {self.parser.CurrentLineNumber} column {self.parser.CurrentColumnNumber + 1}: {why}")

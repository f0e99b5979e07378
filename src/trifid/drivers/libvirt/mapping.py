"""How attributes of a template become XML: declared property by property.

    INTERFACE = Mapping("NIC", "interface", (
        Property("source/@bridge", "BRIDGE"),
        Property("model/@type", "MODEL", default="virtio"),
    ))

The domain, the page docs/drivers-libvirt.md and the tests' check that every property is exercised all
come from these declarations.  Values become text and attributes of an element tree, so that nothing a
user writes can become markup.
"""

import re
from collections.abc import Callable, Iterator
from collections.abc import Mapping as Values
from xml.etree.ElementTree import Element, SubElement

import msgspec

Convert = Callable[[str], str]
HERE = "."

_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Property(msgspec.Struct, frozen=True):
    """One value of an element.

    Attributes:
        path: where it goes, seen from the element: `a/b` is the text of a child, `a/@b` an attribute,
            `a/` an element without text; `.` means that code next to the declaration uses it.
        key: the attribute of the template that it comes from; lower case when the driver works it out.
        default: used when the template gives nothing; empty: then the element does not have it.
        joins: it is appended, after a blank, to what an earlier property put there.
        convert: from the template's value to libvirt's.
        note: for the page.
    """

    path: str
    key: str = ""
    default: str = ""
    convert: Convert | None = None
    joins: bool = False
    note: str = ""

    @property
    def is_of_template(self) -> bool:
        """Whether the value is one that users write."""
        return self.key.isupper()


class Mapping(msgspec.Struct, frozen=True):
    """An element and its properties.

    Attributes:
        name: of the vector in the template; empty for single attributes.
        tag: of the element.
        note: for the page.
    """

    name: str
    tag: str
    properties: tuple[Property, ...]
    note: str = ""

    def element(self, values: Values[str, str]) -> Element:
        """Return the element for a vector's values."""
        return self.fill(Element(self.tag), values)

    def fill(self, element: Element, values: Values[str, str]) -> Element:
        """Put every property that has a value into an element, and return it; later ones win."""
        for one in self.properties:
            given = values.get(one.key, "").strip()
            value = (one.convert(given) if one.convert else given) if given else one.default
            if one.joins and (before := element.findtext(one.path)):
                value = f"{before} {value}".strip()
            if value and one.path != HERE:
                put(element, one.path, value)
        return element

    def paths(self) -> Iterator[tuple[str, Property]]:
        """Yield the name under which the template has a property, with the property."""
        for one in self.properties:
            if one.is_of_template:
                yield f"{self.name}/{one.key}" if self.name else one.key, one


def put(element: Element, path: str, value: str) -> None:
    """Set a text or an attribute below an element, making the elements on the way."""
    *steps, last = path.split("/")
    if last and not last.startswith("@"):
        steps.append(last)
    for step in steps:
        found = element.find(step)
        element = SubElement(element, step) if found is None else found
    if last.startswith("@"):
        element.set(last[1:], writable(value))
    elif last:
        element.text = writable(value)


def child(element: Element, tag: str, text: str = "", **attributes: str) -> Element:
    """Append an element and return it."""
    made = SubElement(element, tag, attributes)
    if text:
        made.text = writable(text)
    return made


def writable(text: str) -> str:
    """Return a text without the characters that XML cannot carry."""
    return _UNWRITABLE.sub("?", text)


def lower(value: str) -> str:
    """Return a value in lower case, as libvirt's words are."""
    return value.lower()


def is_yes(value: str) -> bool:
    """Tell whether a YES/NO attribute says yes, in any case."""
    return value.strip().upper() == "YES"


def if_yes(value: str) -> str:
    """Return yes, or nothing, for an element that is there or not."""
    return "yes" if is_yes(value) else ""


def switch(value: str) -> str:
    """Return on or off."""
    return "on" if is_yes(value) else "off"

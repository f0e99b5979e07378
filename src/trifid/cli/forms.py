"""How answers come out: XML, JSON or YAML, on every command."""

from collections.abc import Iterable
from typing import Any

import click

from trifid.cli.failure import Failure

FORMS = ("xml", "json", "yaml")
XML = click.Option(["-x", "--xml"], is_flag=True, help="The answer as XML.")
JSON = click.Option(["-j", "--json"], is_flag=True, help="The answer as JSON; errors too.")
YAML = click.Option(["-y", "--yaml"], is_flag=True, help="The answer as YAML.")
FORM_OPTIONS = (XML, JSON, YAML)


def form_of(given: Any) -> str:
    """Return the form that was asked for, empty for text for people; raises Failure for two of them.

    Args:
        given: has the values of options as attributes.
    """
    values = vars(given)
    asked = [form for form in (*FORMS, "csv") if values.get(form) is True]
    if len(asked) > 1:
        raise Failure(f"--{' and --'.join(asked)} cannot be together", "give one of them")
    return asked[0] if asked and asked[0] != "csv" else ""


def form_in(words: Iterable[str]) -> str:
    """Return the form that words of a command line ask for that could not be understood as a whole."""
    found = set(words)
    return next((form for form in FORMS if found & {f"-{form[0]}", f"--{form}"}), "")


def text_of(value: Any, form: str, root: str) -> str:
    """Return data in a form.

    Args:
        value: a dict of texts, numbers, dicts and lists.
        root: name of the outermost element of XML.
    """
    if form == "json":
        import json

        return json.dumps(value, indent=2, ensure_ascii=False)
    if form == "yaml":
        from trifid.cli.yaml_text import yaml_lines

        return "\n".join(yaml_lines(value))
    from xml.etree import ElementTree

    tree = ElementTree.Element(root)
    _fill(tree, value)
    ElementTree.indent(tree)
    return ElementTree.tostring(tree, encoding="unicode")


def _fill(element: Any, value: Any) -> None:
    from xml.etree import ElementTree

    if isinstance(value, dict):
        for name, one in value.items():
            for entry in one if isinstance(one, list) else [one]:
                _fill(ElementTree.SubElement(element, str(name).upper()), entry)
    elif isinstance(value, list):
        for entry in value:
            _fill(ElementTree.SubElement(element, "ENTRY"), entry)
    elif value is not None:
        element.text = str(value).lower() if isinstance(value, bool) else _sound(str(value))


def _sound(text: str) -> str:
    """Return a text without what no XML document may have."""
    return "".join(letter if letter >= " " or letter in "\t\n\r" else "?" for letter in text)

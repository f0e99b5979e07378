"""Documents against the schemas of today's API, which lie in tests/xsd."""

import re
from functools import cache
from pathlib import Path

from lxml import etree

SCHEMAS = Path(__file__).parents[1] / "xsd"
NAMESPACE = "http://opennebula.org/XMLSchema"


@cache
def schema(name):
    """Return a schema by the name of its file."""
    return etree.XMLSchema(etree.parse(SCHEMAS / f"{name}.xsd"))


def valid(document, schema_name):
    """Return the parsed document after asserting that it follows the schema and the rules of all documents."""
    assert not document.startswith("<?xml") and "xmlns" not in document[:100]
    root = re.match(r"<(\w+)>", document)[1]
    assert document.endswith(f"</{root}>")
    schema(schema_name).assertValid(etree.fromstring(f'<{root} xmlns="{NAMESPACE}">{document[len(root) + 2 :]}'))
    return etree.fromstring(document)

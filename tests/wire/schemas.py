"""Documents against the schemas of today's API, which lie in tests/xsd."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

SCHEMAS = Path(__file__).parents[1] / "xsd"
NAMESPACE = "http://opennebula.org/XMLSchema"

OF_ROOT = {
    "HISTORY_RECORDS": "acct",
    "VMTEMPLATE": "vmtemplate",
    "VNTEMPLATE": "vntemplate",
    "SHOWBACK_RECORDS": "showback",
    "DEFAULT_USER_QUOTAS": "own/default_user_quotas",
    "DEFAULT_GROUP_QUOTAS": "own/default_group_quotas",
    "RAFT": "raftstatus",
    "HOST_CHANGES": "own/host_changes",
    "HOOKLOG": "own/hooklog",
}
"""Schemas that are not called as the root of their documents."""

OF_METHOD = {
    "one.vmpool.infoextended": ("vm_pool_extended",),
    "one.vmpool.infoset": ("vm_pool", "vm_pool_extended"),
    "one.host.monitoring": ("own/host_monitoring_data",),
    "one.hostpool.monitoring": ("own/host_monitoring_data",),
}
"""Methods whose documents have another schema than their root tells, or one of several."""

BEYOND = {"VNET": "AR_POOL/AR", "VNET_POOL": "VNET/AR_POOL/AR", "VNET_POOL_EXTENDED": "VNET/AR_POOL/AR"}
"""Elements that may end with children which the schema does not know.

Today's engine answers whatever an address range was given, PREFIX_LENGTH and attributes of one's own; the schema has
only some of it.
"""
LAST_OF_RANGE = ("LEASES", "USED_LEASES", "VN_MAD", "ULA_PREFIX", "VLAN_ID", "TYPE")
"""Children of an address range of which one ends what the schema knows, the last one first."""

_ROOT = re.compile(r"<([A-Z][A-Z_0-9]*)\s*/?>")


@cache
def schema(name):
    """Return a schema by the name of its file."""
    return etree.XMLSchema(etree.parse(SCHEMAS / f"{name}.xsd"))


def valid(document, schema_name):
    """Return the parsed document after asserting that it follows the schema and the rules of all documents."""
    schema(schema_name).assertValid(_named(document))
    return etree.fromstring(document)


def valid_answer(method: str, answer: Any) -> None:
    """Assert that what a call answered follows the schema of its document, if it is one.

    Whatever begins as an XML document does is one: a root that has no schema is an error, so that no call escapes.
    """
    if not isinstance(answer, str) or not answer.startswith("<"):
        return
    root = _ROOT.match(answer)
    assert root, f"{method} answers a document that begins with {answer[:60]!r}"
    names = OF_METHOD.get(method) or (OF_ROOT.get(root[1], root[1].lower()),)
    document = _named(answer)
    known = [schema(name) for name in names if (SCHEMAS / f"{name}.xsd").exists()]
    assert known, f"{method} answers {root[1]}, which has no schema in tests/xsd"
    _shorten(document, root[1])
    if not any(one.validate(document) for one in known):
        raise AssertionError(f"{method} answers what {' or '.join(names)} forbids: {known[0].error_log}\n{answer}")


def _shorten(document: Any, root: str) -> None:
    """Take from a tree what may go beyond its schema."""
    if root not in BEYOND:
        return
    for one in document.iterfind("/".join(f"{{{NAMESPACE}}}{tag}" for tag in BEYOND[root].split("/"))):
        tags = [etree.QName(child).localname for child in one]
        end = next(tags.index(tag) for tag in LAST_OF_RANGE if tag in tags)
        for child in list(one)[end + 1 :]:
            one.remove(child)


def _named(document):
    """Return the tree of a document in the namespace of the schemas."""
    assert not document.startswith("<?xml") and "xmlns" not in document[:100]
    root = _ROOT.match(document)
    assert root and document.endswith((f"</{root[1]}>", "/>")), f"not one element: {document[:60]!r}"
    rest = document[len(root[1]) + 1 :]
    return etree.fromstring(f'<{root[1]} xmlns="{NAMESPACE}"{rest}', etree.XMLParser(huge_tree=True))

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

_RANGE = (
    *("ALLOCATED", "AR_ID", "CVLANS", "GLOBAL_PREFIX", "IP", "MAC", "NEXT_INDEX", "PARENT_NETWORK_AR_ID", "SHARED"),
    *("SIZE", "TYPE", "VLAN_ID", "ULA_PREFIX", "VN_MAD"),
)
_RANGE_IN_FULL = (
    *("MAC_END", "IP_END", "IP6_ULA", "IP6_ULA_END", "IP6_GLOBAL", "IP6_GLOBAL_END", "IP6", "IP6_END", "PORT_START"),
    *("PORT_SIZE", "USED_LEASES", "LEASES"),
)
BEYOND = {
    "VNET": {"AR_POOL/AR": (*_RANGE, *_RANGE_IN_FULL)},
    "VNET_POOL": {"VNET/AR_POOL/AR": _RANGE},
    "SECURITY_GROUP": {"TEMPLATE/RULE": ("PROTOCOL", "RULE_TYPE"), "TEMPLATE": ("DESCRIPTION", "RULE")},
    "SECURITY_GROUP_POOL": {
        "SECURITY_GROUP/TEMPLATE/RULE": ("PROTOCOL", "RULE_TYPE"),
        "SECURITY_GROUP/TEMPLATE": ("DESCRIPTION", "RULE"),
    },
}
"""Elements that hold more than the schema knows, and the children that it does know.

Today's engine answers what users wrote there, as it does in every template, and clients read it: PREFIX_LENGTH of an
address range, RANGE of a rule, attributes of one's own.  The schemas have only the least of it.
"""

NO_DOCUMENT = {"one.user.login"}
"""Methods that answer a text of the caller's, which may look like a document."""

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
    if not isinstance(answer, str) or not answer.startswith("<") or method in NO_DOCUMENT:
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
    for path, known in BEYOND.get(root, {}).items():
        for one in document.iterfind("/".join(f"{{{NAMESPACE}}}{tag}" for tag in path.split("/"))):
            for child in [child for child in one if etree.QName(child).localname not in known]:
                one.remove(child)


def _named(document):
    """Return the tree of a document in the namespace of the schemas."""
    assert not document.startswith("<?xml") and "xmlns" not in document[:100]
    root = _ROOT.match(document)
    assert root and document.endswith((f"</{root[1]}>", "/>")), f"not one element: {document[:60]!r}"
    rest = document[len(root[1]) + 1 :]
    return etree.fromstring(f'<{root[1]} xmlns="{NAMESPACE}"{rest}', etree.XMLParser(huge_tree=True))

"""The document of a document.

Source: reference/api-modern.md §5.1, §5.5 (document.xsd, document_pool.xsd).
"""

from trifid.core.document import Document
from trifid.wire.bodies.parts import Names, body, lock, owner, permissions
from trifid.wire.xmltext import escape


def document(of: Document, names: Names) -> str:
    """Return the DOCUMENT document, alone or as the entry of a pool."""
    return (
        f"<DOCUMENT><ID>{of.id}</ID>{owner(of.uid, of.gid, names)}<NAME>{escape(of.name)}</NAME>"
        f"<TYPE>{of.type}</TYPE>{permissions(of.permissions)}{lock(of.lock)}{body('TEMPLATE', of.template)}</DOCUMENT>"
    )

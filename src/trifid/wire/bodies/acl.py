"""The document of an access rule.  Source: reference/api-modern.md §5.5 (acl_pool.xsd), §5.6."""

from trifid.core.acl import Rule
from trifid.core.acl_text import readable


def rule(record: Rule) -> str:
    """Return the ACL document: its words as hexadecimal numbers, and as one can read them."""
    return (
        f"<ACL><ID>{record.id}</ID><USER>{record.user:x}</USER><RESOURCE>{record.resource:x}</RESOURCE>"
        f"<RIGHTS>{record.rights:x}</RIGHTS><ZONE>{record.zone:x}</ZONE><STRING>{readable(record.words)}</STRING></ACL>"
    )

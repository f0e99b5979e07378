"""The document of a template of networks.

Source: reference/api-modern.md §5.1, §5.5 (vntemplate.xsd, vntemplate_pool.xsd).
"""

from trifid.core.network.kept import VnTemplate
from trifid.wire.bodies.parts import Names, body, lock, owner, permissions
from trifid.wire.xmltext import escape


def vn_template(template: VnTemplate, names: Names) -> str:
    """Return the VNTEMPLATE document, alone or as the entry of a pool."""
    return (
        f"<VNTEMPLATE><ID>{template.id}</ID>{owner(template.uid, template.gid, names)}"
        f"<NAME>{escape(template.name)}</NAME>{lock(template.lock)}{permissions(template.permissions)}"
        f"<REGTIME>{template.regtime}</REGTIME>{body('TEMPLATE', template.template)}</VNTEMPLATE>"
    )

"""The document of a VM template.

Source: reference/api-modern.md §5.1, §5.5 (vmtemplate.xsd, vmtemplate_pool.xsd).
"""

from trifid.core.template.model import Template
from trifid.core.vm_template import VmTemplate
from trifid.wire.bodies.parts import Names, body, lock, owner, permissions
from trifid.wire.xmltext import escape


def vm_template(template: VmTemplate, names: Names, attributes: Template | None = None) -> str:
    """Return the VMTEMPLATE document, alone or as the entry of a pool.

    Args:
        attributes: instead of the record's own: with what images and networks tell (extended).
    """
    shown = template.template if attributes is None else attributes
    return (
        f"<VMTEMPLATE><ID>{template.id}</ID>{owner(template.uid, template.gid, names)}"
        f"<NAME>{escape(template.name)}</NAME>{lock(template.lock)}{permissions(template.permissions)}"
        f"<REGTIME>{template.regtime}</REGTIME>{body('TEMPLATE', shown)}</VMTEMPLATE>"
    )

"""one.template.* and one.templatepool.info, but for what makes a VM or a copy (methods/template_use.py).

Source: reference/api-modern.md §2 (texts), §3 (the pool), §4 (VM templates).
"""

from msgspec.structs import replace

from trifid.core.access import Caller, Permissions, Right, check
from trifid.core.image.record import Image
from trifid.core.kept_template import kept, name_of, vetted
from trifid.core.template.model import Template
from trifid.core.vm_template import VmTemplate
from trifid.engine import images
from trifid.engine.first_permissions import first_permissions
from trifid.engine.limits import limits_of, refuse_restricted
from trifid.engine.new_images import is_ours
from trifid.engine.template_images import extended, images_of_template
from trifid.engine.transaction import Draft
from trifid.methods.common import changed, listed, parse_allocate, permissions_changed, read, refuse_taken, updated
from trifid.methods.locks import lock_object, unlock_object
from trifid.methods.ownership import Owned, chmod_object, declare_chown, declare_rename
from trifid.methods.registry import Call, method
from trifid.wire.xmlrpc import Escaped

KIND = "TEMPLATE"
_OWNED = Owned("one.template", KIND, "template_id", "a VM template")


@method("one.template.allocate")
async def allocate(call: Call, template: str) -> int:
    """Keep a description of VMs under a NAME; nothing that it names need exist yet.

    Restricted attributes only administrators may write.
    """
    check(call.caller, Right.CREATE, KIND)
    parsed = parse_allocate(template)
    name, attributes = name_of(parsed), kept(parsed)
    refuse_restricted(call.caller, attributes, limits_of(call.engine.config))

    def command(draft: Draft) -> int:
        refuse_taken(draft, KIND, name, uid=call.caller.uid)
        made = VmTemplate(
            id=draft.next_id("template"),
            uid=call.caller.uid,
            gid=call.caller.gid,
            name=name,
            permissions=first_permissions(draft, call.caller),
            regtime=draft.now,
            template=attributes,
            is_vetted=call.caller.is_admin,
        )
        draft.put(made)
        draft.note(KIND, made.id, call.caller, "allocated", text=name)
        return made.id

    return await call.ask(command)


@method("one.template.delete")
async def delete(call: Call, template_id: int, recursive: bool = False) -> int:
    """Delete a VM template, with `recursive` its images too; VMs made of it stay.

    When one of the images cannot be deleted nothing is.
    """

    def command(draft: Draft) -> int:
        template = draft.vm_template(template_id)
        check(call.caller, Right.MANAGE, KIND, template)
        if recursive:
            for image in images_of_template(draft, call.caller, template.template):
                _delete_image(draft, call.caller, image)
        draft.delete("vm_templates", template_id)
        draft.note(KIND, template_id, call.caller, "deleted", text=template.name)
        return template_id

    return await call.ask(command)


def _delete_image(draft: Draft, caller: Caller, image: Image) -> None:
    """Have an image removed; one whose file was there before it is only forgotten."""
    check(caller, Right.MANAGE, "IMAGE", image)
    if is_ours(image):
        images.ask(draft, image, "RM", caller)
    else:
        images.forget(draft, image, caller)


@method("one.template.info")
async def info(call: Call, template_id: int, with_devices: bool = False, decrypt: bool = False) -> Escaped:
    """Answer a VM template's document; extended, its DISKs and NICs tell what images and networks tell of them."""
    memory = call.engine.turns.memory
    template = read(memory.vm_templates, "vm_templates", template_id)
    check(call.caller, Right.USE, KIND, template)
    if not with_devices:
        return call.engine.documents.vm_template(template)
    attributes = extended(Draft(memory, call.engine.now()), call.caller, template.template)
    return call.engine.documents.vm_template_extended(template, attributes)


@method("one.templatepool.info")
async def pool(call: Call, filter_flag: int, start: int, end: int) -> Escaped:
    """Answer the VM templates that the filter selects."""
    records = call.engine.turns.memory.vm_templates.values()
    return call.engine.documents.vm_template_pool(listed(records, call.caller, KIND, filter_flag, start, end))


@method("one.template.update")
async def update(call: Call, template_id: int, template: str, append: int = 0) -> int:
    """Replace (0) or extend (1) the attributes of a VM template.

    Restricted ones only administrators change; others may send them as they are, and those left out stay.
    """

    def change(draft: Draft, record: VmTemplate) -> VmTemplate:
        new = kept(updated(record.template, template, append))
        if not call.caller.is_admin:
            new = new.having(*call.engine.config.restricted.of_vms.left_out(record.template, new))
        refuse_unvetted(call, record.template, new)
        return replace(record, template=new, is_vetted=record.is_vetted or call.caller.is_admin)

    return await changed(call, KIND, template_id, Right.MANAGE, "updated", change)


def refuse_unvetted(call: Call, before: Template, after: Template) -> None:
    """Raise NotAllowed for what the caller brings to a kept template, or takes away from it, and may not."""
    limits = limits_of(call.engine.config)
    refuse_restricted(call.caller, after, limits, vetted(before, after))
    if not call.caller.is_admin:
        limits.restricted.refuse_changes(before, after, uid=call.caller.uid, what="VM")


declare_rename(_OWNED)


@method("one.template.chmod")
async def chmod(
    call: Call,
    template_id: int,
    ou: int,
    om: int,
    oa: int,
    gu: int,
    gm: int,
    ga: int,
    tu: int,
    tm: int,
    ta: int,
    recursive: bool = False,
) -> int:
    """Change permissions: nine flags, each 1 set, 0 clear, -1 keep; with `recursive` those of its images too."""
    flags = (ou, om, oa, gu, gm, ga, tu, tm, ta)

    def images_too(draft: Draft, record: VmTemplate) -> None:
        _chmod_images(draft, call.caller, record.template, flags)

    return await chmod_object(call, _OWNED, template_id, flags, images_too if recursive else None)


def _chmod_images(draft: Draft, caller: Caller, template: Template, flags: tuple[int, ...]) -> None:
    for image in images_of_template(draft, caller, template):
        before: Permissions = image.permissions
        after = permissions_changed(caller, "IMAGE", image, flags)
        if after.permissions != before:
            draft.put(after)
            draft.note("IMAGE", image.id, caller, "permissions changed")


declare_chown(_OWNED)


@method("one.template.lock")
async def lock(call: Call, template_id: int, level: int, test: bool = False) -> int:
    """Forbid everybody to change a VM template, administrators too: 1 use, 2 manage, 3 admin, 4 all (kept as 1).

    With `test` one that is locked already is refused.
    """
    return await lock_object(call, KIND, template_id, level, test)


@method("one.template.unlock")
async def unlock(call: Call, template_id: int) -> int:
    """Take the lock of a VM template away; for whoever locked it, and administrators."""
    return await unlock_object(call, KIND, template_id)

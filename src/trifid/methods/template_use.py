"""What VM templates are kept for: one.template.instantiate and clone."""

from msgspec.structs import replace

from trifid.core.access import Right, check, check_use
from trifid.core.kept_template import kept, vm_template
from trifid.core.template.model import Template
from trifid.core.template.validate import NAME_LENGTH_MAX
from trifid.core.vm_template import VmTemplate
from trifid.engine.limits import limits_of, refuse_restricted
from trifid.engine.submit import Submission, submit
from trifid.engine.template_clone import Datastores, clone_template, with_own_images
from trifid.engine.transaction import Draft
from trifid.methods.common import name_checked, parse_allocate, refuse_taken
from trifid.methods.registry import Call, method
from trifid.methods.template import KIND, refuse_unvetted

_COPY = "-copy"


@method("one.template.instantiate")
async def instantiate(
    call: Call, template_id: int, name: str, hold: bool = False, extra: str = "", persistent: bool = False
) -> int:
    """Make a VM of a template and what `extra` puts in place of its attributes; the VM's id is answered.

    Without a name it is called `TEMPLATE-ID`.  Restricted attributes may be in the template, when its maker was
    allowed to write them, and not in `extra`.  USE of the template is all that is needed, as upstream has it.
    With `persistent` template and `extra` together are kept under the name of the VM, with clones of the images as
    persistent ones, and the VM is made of that: what it writes stays in its images.
    """
    given = parse_allocate(extra) if extra.strip() else Template()
    name = name.strip() or given.single("NAME").strip()

    def command(draft: Draft) -> int:
        return instantiate_in(call, draft, template_id, name, given, hold=hold, persistent=persistent)

    return await call.ask(command)


def instantiate_in(
    call: Call, draft: Draft, template_id: int, name: str, given: Template, *, hold: bool, persistent: bool
) -> int:
    """Make a VM of a template inside a draft; see one.template.instantiate."""
    template = _usable(call, draft, template_id)
    if not template.is_vetted:
        refuse_restricted(call.caller, template.template, limits_of(call.engine.config))
    whole = vm_template(template, given, name)
    refuse_unvetted(call, template.template, template.template.merged(given))
    if persistent:
        merged = replace(template, template=kept(template.template.merged(given)))
        template = _cloned(call, draft, merged, name or _copy_name(template), is_persistent=True)
        whole = vm_template(template, Template(), template.name)
    return submit(draft, _submission(call, whole, hold, named_after=template.name))


def _submission(call: Call, template: Template, hold: bool, named_after: str) -> Submission:
    config = call.engine.config
    return Submission(
        call.caller,
        template,
        hold,
        config.network.mac_prefix,
        limits_of(config),
        call.engine.schedule.calendar,
        is_vetted=True,
        named_after=named_after,
    )


@method("one.template.clone")
async def clone(call: Call, template_id: int, name: str, recursive: bool = False) -> int:
    """Copy a VM template, with `recursive` its images too; the copies are the caller's."""

    def command(draft: Draft) -> int:
        template = _usable(call, draft, template_id)
        if recursive:
            return _cloned(call, draft, template, name, is_persistent=False).id
        return _copy(call, draft, template, name).id

    return await call.ask(command)


def _usable(call: Call, draft: Draft, template_id: int) -> VmTemplate:
    """Return a template that the caller may make something of; a lock of the first level forbids that too."""
    template = draft.vm_template(template_id)
    check_use(call.caller, KIND, template)
    return template


def _copy(call: Call, draft: Draft, template: VmTemplate, name: str) -> VmTemplate:
    check(call.caller, Right.CREATE, KIND)
    name = name_checked(name)
    refuse_taken(draft, KIND, name, uid=call.caller.uid)
    return clone_template(draft, call.caller, template, name)


def _cloned(call: Call, draft: Draft, template: VmTemplate, name: str, *, is_persistent: bool) -> VmTemplate:
    copy = _copy(call, draft, template, name)
    documents = call.engine.documents
    return with_own_images(
        draft, call.caller, copy, Datastores(documents.base_path, documents.space_of), is_persistent=is_persistent
    )


def _copy_name(template: VmTemplate) -> str:
    return template.name[: NAME_LENGTH_MAX - len(_COPY)] + _COPY

"""one.document.* and one.documentpool.info: what services keep here, under types of their own.

Names need not be unique: a service tells its documents by their ids.
Source: reference/api-modern.md §3 (the pool), §4 (documents).
"""

from msgspec.structs import replace

from trifid.core.access import Right, check, check_use
from trifid.core.document import Document
from trifid.core.template.model import Template
from trifid.core.template.validate import check_name
from trifid.engine.first_permissions import first_permissions
from trifid.engine.transaction import Draft
from trifid.errors import BadRequest
from trifid.methods.common import changed, listed, name_checked, parse_allocate, read, updated
from trifid.methods.locks import lock_object, unlock_object
from trifid.methods.ownership import Owned, allow_any_name, declare_ownership
from trifid.methods.registry import Call, method
from trifid.wire.bodies.document import document as document_body
from trifid.wire.bodies.parts import escaped_pool
from trifid.wire.xmlrpc import Escaped
from trifid.wire.xmltext import escape

KIND = "DOCUMENT"


@method("one.document.allocate")
async def allocate(call: Call, template: str, document_type: int) -> int:
    """Keep a document of a type, a number that a service chose; without a NAME it is called `document-ID`."""
    check(call.caller, Right.CREATE, KIND)
    if document_type < 0:
        raise BadRequest(f"the type of a document must be a number from 0, is {document_type}")
    parsed = parse_allocate(template)
    name = parsed.single("NAME").strip()
    check_name(name)
    return await call.ask(lambda draft: _added(call, draft, name, document_type, parsed.without("NAME")))


def _added(call: Call, draft: Draft, name: str, document_type: int, template: Template) -> int:
    caller, document_id = call.caller, draft.next_id("document")
    made = Document(
        id=document_id,
        uid=caller.uid,
        gid=caller.gid,
        name=name or f"document-{document_id}",
        type=document_type,
        permissions=first_permissions(draft, caller),
        template=template,
    )
    draft.put(made)
    draft.note(KIND, document_id, caller, "allocated", text=made.name)
    return document_id


@method("one.document.clone")
async def clone(call: Call, document_id: int, name: str) -> int:
    """Copy a document; the copy is the caller's."""
    new = name_checked(name)

    def command(draft: Draft) -> int:
        document = draft.document(document_id)
        check_use(call.caller, KIND, document)
        check(call.caller, Right.CREATE, KIND)
        return _added(call, draft, new, document.type, document.template)

    return await call.ask(command)


@method("one.document.delete")
async def delete(call: Call, document_id: int) -> int:
    """Delete a document."""

    def command(draft: Draft) -> int:
        document = draft.document(document_id)
        check(call.caller, Right.MANAGE, KIND, document)
        draft.delete("documents", document_id)
        draft.note(KIND, document_id, call.caller, "deleted", text=document.name)
        return document_id

    return await call.ask(command)


@method("one.document.info")
async def info(call: Call, document_id: int, decrypt: bool = False) -> Escaped:
    """Answer the document of a document."""
    found = read(call.engine.turns.memory.documents, "documents", document_id)
    check(call.caller, Right.USE, KIND, found)
    return Escaped.of(document_body(found, call.engine.documents))


@method("one.documentpool.info")
async def pool(call: Call, filter_flag: int, start: int, end: int, document_type: int) -> Escaped:
    """Answer the documents of a type that the filter selects."""
    of_type = [one for one in call.engine.turns.memory.documents.values() if one.type == document_type]
    found = listed(of_type, call.caller, KIND, filter_flag, start, end)
    return escaped_pool("DOCUMENT_POOL", [escape(document_body(one, call.engine.documents)) for one in found])


@method("one.document.update")
async def update(call: Call, document_id: int, template: str, append: int = 0) -> int:
    """Replace (0) or extend (1) the attributes of a document."""

    def change(draft: Draft, document: Document) -> Document:
        return replace(document, template=updated(document.template, template, append).without("NAME"))

    return await changed(call, KIND, document_id, Right.MANAGE, "updated", change)


declare_ownership(Owned("one.document", KIND, "document_id", "a document", refuse_name=allow_any_name))


@method("one.document.lock")
async def lock(call: Call, document_id: int, level: int, test: bool = False) -> int:
    """Forbid everybody to change a document, administrators too: 1 use, 2 manage, 3 admin, 4 all (kept as 1).

    With `test` one that is locked already is refused.
    """
    return await lock_object(call, KIND, document_id, level, test)


@method("one.document.unlock")
async def unlock(call: Call, document_id: int) -> int:
    """Take the lock of a document away; for whoever locked it, and administrators."""
    return await unlock_object(call, KIND, document_id)

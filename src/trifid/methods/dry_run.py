"""trifid.placement.dry_run: what would become of VMs, without doing anything.

Everything that the engine checks when it is asked in earnest is checked here by the same functions, on drafts that are
thrown away; what the scheduler would decide is asked of placement.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec.structs import replace

from trifid.core.access import Right, check, check_use
from trifid.core.host import HostState
from trifid.core.template.model import Template
from trifid.core.vm import events
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState
from trifid.core.vm.table import TABLE
from trifid.engine.quotas import refuse_beyond
from trifid.engine.submit import submit
from trifid.engine.transaction import Draft
from trifid.errors import BadRequest, NotFound, Refused, TrifidError
from trifid.methods.cluster_view import (
    ClusterTexts,
    asking,
    cluster_texts,
    names_of,
    pace_of,
    wanting,
    wanting_document,
    worked,
)
from trifid.methods.common import parse_allocate
from trifid.methods.registry import Call, method
from trifid.methods.template_use import instantiate_in
from trifid.methods.vm import submission_of
from trifid.methods.vm_placing import MIGRATE_SAVE, deploy_in, move
from trifid.methods.vm_requests import find_vm
from trifid.placement.view import View

if TYPE_CHECKING:
    from trifid.placement.trial import Outcome

VMS_MAX = 2000
DOCUMENTS_LENGTH_MAX = 1 << 25
"""Characters of the documents of all VMs of a batch: what is made of them takes many times as much memory."""
_AT_ONCE = 16
"""VMs that are checked before others get their turn."""
_NONE, _ANY = -1, -1
_GROUPS_SHOWN_MAX = 5


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing to be tried.

    Attributes:
        template: of VMs to be made, as text.
        template_id: or the kept template that they are made of, with `name` and `extra` as one.template.instantiate.
        count: how many VMs.
        vm: or a VM that is there, and `action` what is to be done with it.
        host: where to; for migrate and flush may be left out, and for flush is the host to be emptied.
        enforce, live, kind: as of one.vm.deploy and one.vm.migrate.
        what: how the answer calls it.
    """

    action: Literal["create", "deploy", "migrate", "flush"] = "create"
    template: str = ""
    template_id: int = _NONE
    name: str = ""
    extra: str = ""
    count: Annotated[int, msgspec.Meta(ge=1, le=VMS_MAX)] = 1
    vm: int = _NONE
    host: int = _NONE
    datastore: int = _ANY
    enforce: bool = False
    live: bool = False
    kind: int = MIGRATE_SAVE
    what: str = ""


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be tried together; the first come first."""

    vms: list[Item]


class Result(msgspec.Struct, frozen=True):
    """What would become of one VM.

    Attributes:
        vm: its id, -1 for one that would be made.
        host, datastore_id: where it would be; the name of the host is empty for who may not see it.
        why: why it would not be done, or would wait.
        change: the smallest change with which it would fit.
        notes: what its host does not keep of what the scheduler would ask.
    """

    what: str
    vm: int
    fits: bool
    host_id: int = _NONE
    host: str = ""
    datastore_id: int = _NONE
    why: str = ""
    change: str = ""
    notes: tuple[str, ...] = ()


class _Case(msgspec.Struct):
    """One VM of the batch: refused already, or a document and where it is to go.

    Attributes:
        vm_id: -1 for one that would be made.
        key: the id that it has, or would have; what outcomes are found by.
    """

    what: str
    vm_id: int
    key: int
    why: str = ""
    document: str = ""
    host_id: int = _NONE
    datastore_id: int = _NONE


@method("trifid.placement.dry_run")
async def dry_run(call: Call, batch: str) -> str:
    """Tell as JSON which VMs of a batch would fit, where, and what the others lack; nothing is changed.

    The batch is JSON as well: {"vms": [{"template": text, "count": 3}, {"template_id": 4}, {"vm": 5, "action":
    "deploy", "host": 2}, {"vm": 6, "action": "migrate"}, {"action": "flush", "host": 1}]}.
    VMs that wait already are served as they would be.  The rights are those of what is tried.
    """
    items = _items(batch)
    for item in items:
        _check_rights(call, item)
    with asking(call.caller):
        return await _answered(call, items)


async def _answered(call: Call, items: list[Item]) -> str:
    now = await call.ask(lambda draft: draft.now)
    draft = Draft(call.engine.turns.memory, now)
    cases: list[_Case] = []
    left = DOCUMENTS_LENGTH_MAX
    for number, case in enumerate(_cases(call, draft, items)):
        cases.append(case)
        left -= len(case.document)
        if left < 0:
            raise BadRequest(
                f"the batch's VMs are described by more than {DOCUMENTS_LENGTH_MAX} characters: try fewer at a time"
            )
        if number % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0)
    _refuse_twice(cases)
    made = [vm for vm in draft.batch.vms.values() if vm is not None]
    texts = cluster_texts(call, draft, _waiting(call), made)
    closed = frozenset(item.host for item in items if item.action == "flush")
    settings = call.placement

    def work() -> str:
        from trifid.placement.trial import Asked, try_out  # loads numpy: not before somebody asks

        open_cases = (case for case in cases if not case.why)
        asked = [Asked(wanting(one.document), one.host_id, one.datastore_id) for one in open_cases]
        view = _without(texts.view([one.vm for one in asked]), closed)
        found = try_out(view, asked, settings.host_policy, settings.storage_policy, pace_of(settings))
        results = [_result(case, found.get(case.key), texts, names_of(view)) for case in cases]
        return msgspec.json.encode(_answer(results) | {"not_asked": settings.not_asked}).decode()

    return await worked(work)


def _waiting(call: Call) -> list[VM]:
    """Return the VMs that the scheduler would serve anyway."""
    vms = call.engine.turns.memory.vms.values()
    return [vm for vm in vms if vm.resched or vm.state.state == VmState.PENDING]


def _items(batch: str) -> list[Item]:
    try:
        items = msgspec.json.decode(batch, type=Batch).vms
    except (msgspec.DecodeError, RecursionError) as bad:
        raise BadRequest(f"the batch is not what is expected: {bad}") from None
    for item in items:
        if item.action == "create" and bool(item.template.strip()) == (item.template_id >= 0):
            raise BadRequest("VMs to be made need either a template or a template_id")
        if item.action in ("deploy", "migrate") and item.vm < 0:
            raise BadRequest(f"{item.action} needs a vm")
        if item.action in ("deploy", "flush") and item.host < 0:
            raise BadRequest(f"{item.action} needs a host")
    if not items or sum(item.count for item in items) > VMS_MAX:
        raise BadRequest(f"a batch has 1 to {VMS_MAX} VMs, this one has {sum(item.count for item in items)}")
    return items


def _check_rights(call: Call, item: Item) -> None:
    """Raise NotAllowed, NotFound or Refused as the call in earnest would, before anything else is looked at."""
    draft = Draft(call.engine.turns.memory, 0)
    if item.action == "flush":
        check(call.caller, Right.ADMIN, "HOST", draft.host(item.host))
    elif item.action == "create" and item.template_id >= 0:
        check_use(call.caller, "TEMPLATE", draft.vm_template(item.template_id))
    elif item.action == "create":
        check(call.caller, Right.CREATE, "VM")
    else:
        check(call.caller, Right.ADMIN, "VM", find_vm(draft, item.vm))
        if item.host >= 0:
            check(call.caller, Right.MANAGE, "HOST", draft.host(item.host))


# -- what the engine says ------------------------------------------------------------------------------


def _cases(call: Call, draft: Draft, items: Iterable[Item]) -> Iterable[_Case]:
    """Yield each VM of a batch after checking it as the engine would; the draft takes in what would be done."""
    for item in items:
        if item.action == "create":
            for _ in range(item.count):
                yield _created(call, draft, item)
        elif item.action == "flush":
            for vm_id in sorted(draft.vms_on(item.host)):
                yield _moved_anywhere(call, draft, vm_id, item.what)
        elif item.action == "migrate" and item.host < 0:
            yield _moved_anywhere(call, draft, item.vm, item.what)
        else:
            yield _put(call, draft, item)


def _created(call: Call, draft: Draft, item: Item) -> _Case:
    what = item.what or (f"template {item.template_id}" if item.template_id >= 0 else "template")

    def make(mine: Draft) -> int:
        if item.template_id >= 0:
            given = parse_allocate(item.extra) if item.extra.strip() else Template()
            return instantiate_in(call, mine, item.template_id, item.name, given, hold=False, persistent=False)
        return submit(mine, submission_of(call, item.template, hold=False))

    made = _tried(call, draft, make)
    if isinstance(made, str):
        return _Case(what, _NONE, _NONE, made)
    return _Case(what, _NONE, made, document=wanting_document(call, draft.vm(made)))


def _moved_anywhere(call: Call, draft: Draft, vm_id: int, what: str) -> _Case:
    vm = find_vm(draft, vm_id)
    what = what or f"VM {vm_id}"
    if (vm.state, events.MigrateSave) not in TABLE:
        return _Case(what, vm_id, vm_id, f"VM {vm_id} is {vm.state.printable}: it cannot be moved now")
    return _Case(what, vm_id, vm_id, document=wanting_document(call, vm))


def _put(call: Call, draft: Draft, item: Item) -> _Case:
    """Return the case of a VM whose host is said; room is asked for whether or not that is to be enforced."""
    vm = find_vm(draft, item.vm)
    what = item.what or f"VM {vm.id}"

    def put(mine: Draft, enforce: bool) -> int:
        if item.action == "deploy":
            return deploy_in(call, mine, vm, item.host, enforce=enforce, datastore_id=item.datastore)
        return move(
            call,
            mine,
            vm.id,
            item.host,
            live=item.live,
            enforce=enforce,
            datastore_id=item.datastore,
            kind=item.kind,
        )

    document = wanting_document(call, vm)
    done = _tried(call, draft, lambda mine: put(mine, True))
    if not isinstance(done, str):
        datastore_id = draft.vm(vm.id).current.datastore_id
        return _Case(what, vm.id, vm.id, document=document, host_id=item.host, datastore_id=datastore_id)
    if not item.enforce and not isinstance(_tried(call, draft.child(), lambda mine: put(mine, False)), str):
        done += "; without enforce it would be done all the same"
    return _Case(what, vm.id, vm.id, done)


def _tried(call: Call, draft: Draft, command: Callable[[Draft], int]) -> int | str:
    """Return the VM that a command is about, which the draft takes in; or why it is refused."""
    mine = draft.child()
    try:
        vm_id = command(mine)
        refuse_beyond(mine, call.caller)
    except NotFound as missing:
        return f"there is no {missing.message} [{missing.object_id}]"
    except TrifidError as refusal:
        return refusal.message
    mine.fold()
    return vm_id


def _refuse_twice(cases: list[_Case]) -> None:
    twice = [vm_id for vm_id, times in Counter(case.vm_id for case in cases).items() if times > 1 and vm_id >= 0]
    if twice:
        raise Refused(f"VM {twice[0]} is named more than once in the batch: name it once", twice[0])


# -- what placement says -------------------------------------------------------------------------------


def _without(view: View, closed: frozenset[int]) -> View:
    """Return a view in which some hosts take no VMs."""
    hosts = tuple(replace(one, state=int(HostState.DISABLED)) if one.id in closed else one for one in view.hosts)
    return replace(view, hosts=hosts)


def _result(case: _Case, outcome: "Outcome | None", texts: ClusterTexts, name_of: Callable[[int], str]) -> Result:
    if outcome is None:
        return Result(case.what, case.vm_id, fits=False, why=case.why)
    if outcome.host_id < 0:
        return Result(case.what, case.vm_id, fits=False, why=outcome.why, change=outcome.change)
    if outcome.host_id in texts.hidden_ids:
        return Result(case.what, case.vm_id, fits=True)
    return Result(
        case.what,
        case.vm_id,
        True,
        outcome.host_id,
        name_of(outcome.host_id),
        outcome.datastore_id,
        notes=outcome.notes,
    )


def _answer(results: list[Result]) -> dict[str, Any]:
    fitting = sum(one.fits for one in results)
    text = f"{fitting} of {len(results)} would fit"
    others = Counter(one.change or one.why for one in results if not one.fits)
    told = [f"{count} would not: {why}" for why, count in others.most_common(_GROUPS_SHOWN_MAX)]
    if len(others) > _GROUPS_SHOWN_MAX:
        told.append(f"and {len(others) - _GROUPS_SHOWN_MAX} other reasons")
    return {"asked": len(results), "fitting": fitting, "text": "; ".join([text, *told]), "results": results}

"""From a decoded call to its answer: session, arguments, time limit, errors, log.

Every call, through whatever door, passes here, so authentication and the bounds are in one place.
"""

import asyncio
import itertools
import logging
from typing import Any

from msgspec.structs import replace

from trifid.core.vm.states import UNSEEN_WORK
from trifid.engine.engine import Engine
from trifid.errors import BadTemplate, Internal, Locked, NotAllowed, NotAuthenticated, NotFound, TrifidError
from trifid.methods import (  # noqa: F401  (declare their methods)
    accounting,
    acl,
    audit,
    cluster,
    datastore,
    document,
    dry_run,
    empty_pools,
    explain,
    group,
    hook,
    host,
    host_failure,
    host_keys,
    image,
    image_changes,
    monitoring,
    network,
    network_addresses,
    placing,
    quotas,
    reconcile,
    secgroup,
    system,
    template,
    template_use,
    user,
    vdc,
    vm,
    vm_devices,
    vm_lock,
    vm_membership,
    vm_nics,
    vm_placing,
    vm_schedules,
    vm_size,
    vm_snapshots,
    vmgroup,
    vn_template,
    zone,
)
from trifid.methods.common import BadUpdate
from trifid.methods.list_order import is_oldest_first
from trifid.methods.not_supported import declare
from trifid.methods.registry import METHODS, Call, Method, WrongArguments, one_line
from trifid.methods.strangers import stranger
from trifid.placement.settings import Settings
from trifid.wire.answers import Answer, Fault

log = logging.getLogger("trifid.call")

declare()

CALL_TIME_S_MAX = 120.0
FAULT_TYPE, FAULT_NO_METHOD = -501, -506
OK, REFUSED, FAILED = "ok", "refused", "failed"
"""How calls are counted: done, not allowed or not possible, and not done by a fault of ours or of the database."""

_QUIET = (
    "explain",
    "dry_run",
    "info",
    "list",
    "version",
    "config",
    "story",
    "infoextended",
    "monitoring",
    "changes",
    "signs",
    "usage",
    "barred_hosts",
    "raftstatus",
)
"""Last words of methods that change nothing and are not logged one by one."""

_NOT_LOGGED = (BadTemplate, BadUpdate, NotFound)
"""Refusals whose text quotes what was sent, which may be a secret, or that tell nothing."""

_UNQUOTED = "the template cannot be read, or a value in it is wrong; which one is told to the caller only"
"""What the audit tells of a refusal that quotes what was sent."""

_TEXT_LENGTH_MAX = 2000
"""Longest text of a refusal: it may quote what a stranger sent."""


def _reason(error: TrifidError) -> str:
    """Return what the audit tells of a refusal."""
    if isinstance(error, (BadTemplate, BadUpdate)):
        return _UNQUOTED
    return one_line(f"no such {error.message}" if isinstance(error, NotFound) else error.message)


_SETTLING = ("one.vm.updateconf", "one.vm.attachnic")
"""Methods after which a resting VM's context image is written: `_settled` tells why they wait for that."""
SETTLED_WITHIN_S = 30.0


DEFAULT = Settings()


class Dispatcher:
    """Answers calls with the engine's methods.

    Args:
        settled_within_s: how long a call waits at most, once it is done, for what it began and clients cannot see.
        placement: how the scheduler decides, for explanations and trials.
    """

    def __init__(self, engine: Engine, settled_within_s: float = 0.0, placement: Settings = DEFAULT) -> None:
        self._engine = engine
        self._placement = placement
        self._settled_within_s = settled_within_s
        self._numbers = itertools.count(1)

    async def __call__(self, name: str, arguments: list[Any], peer: str) -> Answer | Fault:
        """Answer one call; never raises."""
        method = METHODS.get(name)
        if method is None:
            self._engine.meters.call("unknown", REFUSED, 0.0)
            return Fault(FAULT_NO_METHOD, f"method {name} is not known")
        meters = self._engine.meters
        begun_s = meters.clock()
        is_hooked = self._engine.hooks.wants_call(name)
        before: list[str] = []
        answer, outcome = await self._answered(name, method, arguments, peer, before if is_hooked else None)
        meters.call(name, outcome, meters.clock() - begun_s)
        if is_hooked:
            self._tell_hooks(method, arguments, answer, "".join(before))
        return answer

    def _tell_hooks(self, method: Method, arguments: list[Any], answer: Answer | Fault, deleted: str) -> None:
        """Tell hooks of a call that has ended, unless nobody knows who made it: strangers set off nothing."""
        if isinstance(answer, Answer) and answer.code != NotAuthenticated.code:
            names = [parameter.name for parameter in method.parameters]
            answered = (answer.success, answer.value, answer.code)
            given = arguments[: len(names) + 1]
            self._engine.hooks.called(method.name, names, given, answer.success, answered, deleted)

    async def _answered(
        self, name: str, method: Method, arguments: list[Any], peer: str, before: list[str] | None
    ) -> tuple[Answer | Fault, str]:
        """Return the answer to a call, and how it ended.

        Args:
            before: takes the document of what the call deletes, for hooks; strangers have none rendered.
        """
        if not arguments or type(arguments[0]) is not str:
            return Fault(FAULT_TYPE, f"{name}: the first parameter must be the session string user:secret"), REFUSED
        request_id = str(next(self._numbers))
        call = None
        try:
            given = method.arguments(arguments[1:])
            auth = self._engine.auth
            caller = auth.remembered(arguments[0]) or await auth.caller(arguments[0], peer)
            named = tuple(zip((parameter.name for parameter in method.parameters), given, strict=True))
            oldest_first = is_oldest_first(self._engine.turns.memory, self._engine.config, caller)
            caller = replace(caller, grounds=[], oldest_first=oldest_first)
            call = Call(self._engine, name, caller, request_id, self._placement, peer, named)
            if before is not None:
                before.append(self._engine.hooks.document_before(name, arguments))
            async with asyncio.timeout(CALL_TIME_S_MAX):
                value = await method.handler(call, *given)
        except WrongArguments as wrong:
            return Fault(FAULT_TYPE, str(wrong)), REFUSED
        except TrifidError as error:
            if not isinstance(error, _NOT_LOGGED):
                log.info("%s refused (%s): %s", name, peer, one_line(error.message))
            if call is not None:
                self._audit_refused(call, error)
            elif isinstance(error, NotAuthenticated):
                self._engine.audit.take(stranger(self._engine, arguments[0], peer, name, request_id, error))
            return refusal(name, error), FAILED if isinstance(error, Internal) else REFUSED
        except TimeoutError:
            late = Internal(
                f"no answer within {CALL_TIME_S_MAX:g} s; what was asked may still happen, look before you ask again"
            )
            return refusal(name, late), FAILED
        except Exception:
            log.exception("bug in %s", name)
            return refusal(name, Internal("internal error, see the engine's log")), FAILED
        if name in _SETTLING and self._settled_within_s:
            await self._settled(given[0])
        if not _is_quiet(name):
            if not call.is_audited:
                self._engine.audit.take(call.audit_entry(self._engine.now(), value))
            log.info(
                "%s -> %s  by %d (%s) from %s",
                name,
                value if type(value) is int else "ok",
                caller.uid,
                one_line(caller.name),
                peer,
            )
        return Answer(value), OK

    def _audit_refused(self, call: Call, error: TrifidError) -> None:
        """Write down a call that was refused; of those that would change nothing only what was not allowed."""
        if not _is_quiet(call.method) or isinstance(error, (NotAllowed, Locked)):
            self._engine.audit.take(call.audit_entry(self._engine.now(), code=error.code, text=_reason(error)))

    async def _settled(self, vm_id: int) -> None:
        """Wait while a VM is in work that clients see as rest, so that what they ask next is not refused as too early.

        Existing clients resume a VM right after its updateconf.  What was asked is durable already: when the work
        takes too long, or the engine ends, the call is answered all the same.
        """
        memory, loop = self._engine.turns.memory, asyncio.get_running_loop()
        end_s = loop.time() + self._settled_within_s
        while (left_s := end_s - loop.time()) > 0 and not self._engine.watch.is_closed:
            found = memory.vms.get(vm_id)
            if found is None or found.state not in UNSEEN_WORK:
                return
            await self._engine.watch.later_than(memory.journal_id, left_s)


def _is_quiet(name: str) -> bool:
    """Tell whether a method changes nothing, and is not written down call by call."""
    return name.rpartition(".")[2].startswith(_QUIET)


def refusal(name: str, error: TrifidError) -> Answer:
    """Return the answer for an error, with the text shape that clients know (reference/api-modern.md §2)."""
    text = error.message
    if isinstance(error, NotFound):
        which = f"[{error.object_id}]" if error.object_id >= 0 else "Pool"
        text = f"Error getting {text} {which}."
    if len(text) > _TEXT_LENGTH_MAX:
        text = f"{text[: _TEXT_LENGTH_MAX - 200]} […] {text[-200:]}"
    return Answer(f"[{name}] {text}", success=False, code=error.code, object_id=error.object_id)

"""A view of the cluster and a plan as JSON: for programs in other languages, and to be kept.

The form of version 1 is explained field by field in docs/scheduler.md.  Fields are only ever added to a version;
readers ignore those that they do not know.
"""

from collections import Counter
from typing import Any

import msgspec

from trifid.placement.plan import Plan
from trifid.placement.view import View

VERSION = 1
ANY_DATASTORE = -1
"""The datastore of a placement that leaves the choice to the engine."""


class BadProblem(Exception):
    """It is not a problem or a plan in JSON; the text names the field and what was expected."""


class Candidates(msgspec.Struct, frozen=True):
    """VMs that may go to the same hosts.

    Attributes:
        hosts: ids of those that are up and meet what the VMs ask for, whatever room they have.
    """

    vms: tuple[int, ...]
    hosts: tuple[int, ...]


class Problem(View, frozen=True, kw_only=True):
    """What is to be decided: a view, and what goes with it.

    Attributes:
        trifid_problem: the version of the form.
        candidates: only for programs that decide.
    """

    trifid_problem: int
    candidates: tuple[Candidates, ...] = ()


class Placed(msgspec.Struct, frozen=True):
    """A VM and where it goes; ids."""

    vm: int
    host: int
    datastore: int = ANY_DATASTORE


class Answer(msgspec.Struct, frozen=True):
    """A plan as programs write it.

    Attributes:
        refusals, warnings: VM id to a sentence.
    """

    placements: tuple[Placed, ...]
    refusals: dict[int, str] = {}
    warnings: dict[int, str] = {}


def problem_of(view: View, candidates: tuple[Candidates, ...] = ()) -> Problem:
    """Return a view in the form that is written."""
    return Problem(**_fields(view), trifid_problem=VERSION, candidates=candidates)


def view_of(problem: Problem) -> View:
    """Return the view that was written.

    Raises:
        BadProblem: of another version, or an id is there twice.
    """
    if problem.trifid_problem != VERSION:
        raise BadProblem(f"trifid_problem is {problem.trifid_problem}: only version {VERSION} is known here")
    for name, ids in (("vms", [vm.id for vm in problem.vms]), ("hosts", [host.id for host in problem.hosts])):
        most = Counter(ids).most_common(1)
        if most and most[0][1] > 1:
            raise BadProblem(f"{name}: id {most[0][0]} is there more than once")
    return View(**_fields(problem))


def _fields(view: View) -> dict[str, Any]:
    return {name: getattr(view, name) for name in View.__struct_fields__}


def write_problem(view: View, candidates: tuple[Candidates, ...] = ()) -> bytes:
    """Return a view as JSON."""
    return msgspec.json.encode(problem_of(view, candidates))


def read_problem(text: bytes | str) -> View:
    """Return the view that JSON describes.

    Raises:
        BadProblem: it does not.
    """
    problem: Problem = decoded(text, Problem, "a problem")
    return view_of(problem)


def answer_of(plan: Plan) -> Answer:
    """Return a plan in the form that is written."""
    return Answer(tuple(Placed(*one[:3]) for one in plan.placements), dict(plan.refusals), plan.warnings)


def plan_of(answer: Answer) -> Plan:
    """Return the plan that was written."""
    placements = [(one.vm, one.host, one.datastore) for one in answer.placements]
    return Plan(placements, dict(answer.refusals), dict(answer.warnings))


def read_answer(text: bytes | str) -> Answer:
    """Return the plan that a program wrote.

    Raises:
        BadProblem: it is none.
    """
    answer: Answer = decoded(text, Answer, "a plan")
    return answer


def decoded(text: bytes | str, kind: type[Any], what: str) -> Any:
    """Return JSON as a struct.

    Raises:
        BadProblem: it is not JSON, or a field is missing or wrong.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as bad:
        said, _, path = str(bad).partition(" - at ")
        where = path.replace("`", "").replace("$.", "").replace("$", "")
        raise BadProblem(f"not {what}: {f'{where}: ' if where else ''}{said.replace('`', '')}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as bad:
        raise BadProblem(f"not {what} in JSON: {bad}") from None

"""Access rules that follow from other records, kept right inside the draft of each command.

Virtual data centres and administrators of groups ask for rules.  What names an object that is deleted goes with it:
no id is given twice, but a rule about nothing misleads whoever reads the list.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from trifid.core import group_admins, vdc
from trifid.core.acl import CLUSTER, GROUP, INDIVIDUAL, KINDS, SCOPE_AND_ID, Rule, Words
from trifid.core.vm.states import VmState
from trifid.engine.transaction import Draft

_POOLS: Mapping[str, str] = {
    "vms": "VM",
    "hosts": "HOST",
    "networks": "NET",
    "images": "IMAGE",
    "users": "USER",
    "vm_templates": "TEMPLATE",
    "groups": "GROUP",
    "datastores": "DATASTORE",
    "clusters": "CLUSTER",
    "documents": "DOCUMENT",
    "security_groups": "SECGROUP",
    "vdcs": "VDC",
    "vm_groups": "VMGROUP",
    "vn_templates": "VNTEMPLATE",
    "hooks": "HOOK",
}
"""Where the objects are that rules may name, and how rules call their kind."""


def settle(draft: Draft) -> None:
    """Make the access rules fit what a command has changed."""
    for pool, object_id in _gone(draft):
        _forget(draft, pool, object_id)
    if draft.batch.users:
        _dismiss(draft)
    if draft.batch.vdcs or draft.batch.groups:
        _derive(draft)


def put_rule(draft: Draft, said: Words, *, is_derived: bool = False) -> int:
    """Add a rule and return its id."""
    rule = Rule(draft.next_id("acl"), said.user, said.resource, said.rights, said.zone, is_derived)
    draft.put(rule)
    return rule.id


def _gone(draft: Draft) -> Iterator[tuple[str, int]]:
    """Yield the pool and the id of each object that the command ended."""
    for pool in _POOLS:
        changes: Mapping[int, Any] = getattr(draft.batch, pool)
        for object_id, record in [*changes.items()]:
            if record is None or (pool == "vms" and record.state is VmState.DONE):
                yield pool, object_id


def _forget(draft: Draft, pool: str, object_id: int) -> None:
    """Take an object out of everything that names it."""
    for rule in _that_may_name(draft, pool, object_id):
        left = _without(rule, pool, object_id)
        if left is None:
            draft.delete("acls", rule.id)
        elif left is not rule:
            draft.put(left)
    if pool in ("groups", *vdc.RESOURCES):
        for one in [*draft.each("vdcs")]:
            rest = vdc.without_object(one, pool, object_id)
            if rest != one:
                draft.put(rest)


def _that_may_name(draft: Draft, pool: str, object_id: int) -> list[Rule]:
    """Return the rules to look at: none for most objects that end, which VMs do all the time."""
    is_named_otherwise = pool in ("users", "groups", "clusters")
    are_rules_new = any(layer.batch.acls for layer in draft.layers())
    if is_named_otherwise or are_rules_new or draft.memory.rules.may_name(object_id):
        return [*draft.each("acls")]
    return []


def _without(rule: Rule, pool: str, object_id: int) -> Rule | None:
    """Return a rule that does not name an object any more, the same one if it did not, None if that was all."""
    which = rule.resource & SCOPE_AND_ID
    if pool == "users" and rule.user == INDIVIDUAL | object_id:
        return None
    if pool == "groups" and GROUP | object_id in (rule.user, which):
        return None
    if pool == "clusters" and which == CLUSTER | object_id:
        return None
    kind = KINDS[_POOLS[pool]]
    if which != INDIVIDUAL | object_id or not rule.resource & kind:
        return rule
    left = rule.resource & ~kind
    return replace(rule, resource=left) if left != which else None


def _dismiss(draft: Draft) -> None:
    """Let nobody administer a group who is no member any more."""
    for group in [*draft.each("groups")]:
        left = tuple(one for one in group.admins if one not in draft.batch.users or _is_in(draft, one, group.id))
        if left != group.admins:
            draft.put(replace(group, admins=left))


def _is_in(draft: Draft, user_id: int, group_id: int) -> bool:
    user = draft.batch.users[user_id]
    return user is not None and group_id in user.gids


def _derive(draft: Draft) -> None:
    """Have exactly those rules that virtual data centres and administrators of groups ask for."""
    asked = {said for one in draft.each("vdcs") for said in vdc.asked_words(one)}
    asked |= {said for one in draft.each("groups") for said in group_admins.asked_words(one)}
    present = {rule.words: rule.id for rule in draft.each("acls") if rule.is_derived}
    for said, rule_id in present.items():
        if said not in asked:
            draft.delete("acls", rule_id)
    for said in sorted(asked - present.keys(), key=lambda one: (one.user, one.resource, one.rights, one.zone)):
        put_rule(draft, said, is_derived=True)

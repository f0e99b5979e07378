"""one.acl.*: access rules.

Source: reference/api-modern.md §2 (texts), §4 (the calls), §5.6 (words), §7.14.
"""

from trifid.core import group_admins, vdc
from trifid.core.access import Right, check
from trifid.core.acl import Rule, Words
from trifid.core.acl_text import THIS_ZONE, check_words, number, readable
from trifid.engine.access_rules import put_rule
from trifid.engine.transaction import Draft
from trifid.errors import NotAllocated
from trifid.methods.registry import Call, method
from trifid.wire.bodies.acl import rule as rule_document
from trifid.wire.bodies.parts import escaped_pool
from trifid.wire.xmlrpc import Escaped
from trifid.wire.xmltext import escape

KIND = "ACL"
RULES_MAX = 20_000


@method("one.acl.addrule")
async def add_rule(call: Call, user: str, resource: str, rights: str, zone: str = "") -> int:
    """Add an access rule, given as four hexadecimal words; without a zone it is for this one."""
    check(call.caller, Right.MANAGE, KIND)
    said = Words(
        number(user, "user"),
        number(resource, "resource"),
        number(rights, "rights"),
        number(zone, "zone") if zone else THIS_ZONE,
    )
    check_words(said)

    def command(draft: Draft) -> int:
        present = {rule.words: rule.id for rule in draft.each("acls")}
        if said in present:
            raise NotAllocated(f"Rule {readable(said)} already exists, it is rule {present[said]}")
        if len(present) >= RULES_MAX:
            raise NotAllocated(f"There are {len(present)} access rules, no more are taken: delete some")
        rule_id = put_rule(draft, said)
        draft.note(KIND, rule_id, call.caller, "allocated", text=readable(said))
        return rule_id

    return await call.ask(command)


@method("one.acl.delrule")
async def delete_rule(call: Call, rule_id: int) -> int:
    """Delete an access rule; those of virtual data centres and of administrators of groups go with what asks."""
    check(call.caller, Right.MANAGE, KIND)

    def command(draft: Draft) -> int:
        rule = next((one for one in draft.each("acls") if one.id == rule_id), None)
        if rule is None:
            raise NotAllocated(f"Rule {rule_id} does not exist")
        if rule.is_derived:
            raise NotAllocated(f"Rule {rule_id} ({readable(rule.words)}) cannot be deleted: {_asked_by(draft, rule)}")
        draft.delete("acls", rule_id)
        draft.note(KIND, rule_id, call.caller, "deleted", text=readable(rule.words))
        return rule_id

    return await call.ask(command)


def _asked_by(draft: Draft, rule: Rule) -> str:
    """Tell what a rule comes from, and how that is changed."""
    for one in sorted(draft.each("vdcs"), key=lambda one: one.id):
        if rule.words in vdc.asked_words(one):
            return f"VDC {one.name} [{one.id}] asks for it, change that (onevdc delgroup, delcluster, delhost …)"
    for group in draft.each("groups"):
        if rule.words in group_admins.asked_words(group):
            return f"administrators of group {group.name} [{group.id}] have it, change that (onegroup deladmin)"
    raise AssertionError(f"nothing asks for the derived rule {rule.id}")


@method("one.acl.info")
async def info(call: Call) -> Escaped:
    """Answer all access rules, the oldest first."""
    check(call.caller, Right.MANAGE, KIND)
    rules = sorted(call.engine.turns.memory.acls.values(), key=lambda rule: rule.id)
    return escaped_pool("ACL_POOL", [escape(rule_document(rule)) for rule in rules])

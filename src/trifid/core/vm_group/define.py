"""What a VM group may be: its roles and rules as users write them, and that these do not contradict each other.

Source: reference/api-modern.md §2 (texts), §4 (VM groups).
"""

import re
from collections import Counter
from itertools import combinations

from msgspec.structs import replace

from trifid.core.affinity import rules_of, together_sets
from trifid.core.template.model import Template
from trifid.core.template.types import IDS
from trifid.core.template.validate import check_name, misspelt, shown
from trifid.core.vm_group.record import Policy, Role, VmGroup
from trifid.errors import BadTemplate

ROLES_MAX = 32
"""As many as upstream has."""
MAX_SKEW_MAX = 1_000_000
_OF_THE_ENGINE = ("ID", "VMS")
_ROLE_KEYS = ("NAME", "POLICY", "HOST_AFFINED", "HOST_ANTI_AFFINED")
_SPREAD_KEYS = ("ROLE", "OVER", "MAX_SKEW")
_ATTRIBUTE = re.compile(r"[A-Z_][A-Z0-9_]*", re.ASCII)


def defined(group: VmGroup, template: Template) -> VmGroup:
    """Return a new group with what its template says.

    Raises:
        BadTemplate: with what is wrong.
    """
    for value in template.all("ROLE"):
        if not isinstance(value, dict):
            raise BadTemplate(f'ROLE must be a vector, ROLE = [ NAME = … ], is "{shown(value)}"')
        group = with_role(group, value, is_checked=False)
    made = replace(group, template=template.without("ROLE"))
    check(made)
    return made


def with_role(group: VmGroup, vector: dict[str, str], *, is_checked: bool = True) -> VmGroup:
    """Return a group with one more role; raises BadTemplate."""
    role = _role(Role(group.next_role_id, ""), vector)
    made = replace(group, roles=(*group.roles, role), next_role_id=role.id + 1)
    if is_checked:
        check(made)
    return made


def with_role_changed(group: VmGroup, role: Role, vector: dict[str, str]) -> VmGroup:
    """Return a group with other attributes of a role; those that are not named stay, empty ones go.

    Raises:
        BadTemplate: with what is wrong.
    """
    new = _role(role, vector)
    made = replace(group, roles=tuple(new if one.id == role.id else one for one in group.roles))
    check(made)
    return made


def without_role(group: VmGroup, role: Role) -> VmGroup:
    """Return a group without one of its roles; raises BadTemplate when a rule is about that, or it is the last."""
    made = replace(group, roles=tuple(one for one in group.roles if one.id != role.id))
    check(made)
    return made


def _role(old: Role, vector: dict[str, str]) -> Role:
    given = {key: value.strip() for key, value in vector.items() if key not in _OF_THE_ENGINE}
    name = given.get("NAME", old.name)
    where = f"ROLE {name}" if name else f"ROLE {old.id}"
    if not name:
        raise BadTemplate(f"Missing NAME in VM group role: {where} has none")
    check_name(name)
    if "," in name:
        raise BadTemplate(f"Invalid NAME, char ',' is not allowed: it separates roles in rules, and {where} has one")
    for key in given:
        if key in ("SPREAD", "SPREAD_MAX_SKEW"):
            raise BadTemplate(f"{where}: {key} is none of a role: write SPREAD = [ ROLE = {name}, OVER = … ] beside it")
        if key not in _ROLE_KEYS:
            raise BadTemplate(f"{where}: {shown(key)} is not known{misspelt(given, _ROLE_KEYS)}")
    policy = given.get("POLICY", old.policy).upper() or Policy.NONE
    if policy not in set(Policy):
        raise BadTemplate(f'{where}: POLICY must be one of {", ".join(Policy)}, is "{shown(policy)}"')
    return Role(
        id=old.id,
        name=name,
        policy=Policy(policy),
        host_affined=_hosts(where, "HOST_AFFINED", given, old.host_affined),
        host_anti_affined=_hosts(where, "HOST_ANTI_AFFINED", given, old.host_anti_affined),
    )


def _hosts(where: str, key: str, given: dict[str, str], old: tuple[int, ...]) -> tuple[int, ...]:
    text = given.get(key)
    if text is None:
        return old
    if text and not IDS.accepts(text):
        raise BadTemplate(f'{where}: {key} must be ids of hosts with commas between, is "{shown(text)}"')
    return tuple(sorted({int(word) for word in text.split(",")})) if text else ()


# -- contradictions ------------------------------------------------------------------------------------


def check(group: VmGroup) -> None:
    """Return when the roles and rules of a group can be kept together.

    Raises:
        BadTemplate: with what is wrong.
    """
    if not group.roles:
        raise BadTemplate("a VM group needs a role at least: ROLE = [ NAME = … ]")
    if len(group.roles) > ROLES_MAX:
        raise BadTemplate(f"Maximum number of roles in a VM Group reached: {len(group.roles)}, it is {ROLES_MAX}")
    for name, count in Counter(role.name for role in group.roles).items():
        if count > 1:
            raise BadTemplate(f"Role already exists: {name} is given {count} times")
    for role in group.roles:
        both = sorted({*role.host_affined} & {*role.host_anti_affined})
        if both:
            raise BadTemplate(
                f"ROLE {role.name}: host {both[0]} is in HOST_AFFINED and in HOST_ANTI_AFFINED, remove it from one"
            )
    for name in (Policy.AFFINED, Policy.ANTI_AFFINED):
        _check_rules(group, name)
    _check_together(group)
    _check_hosts(group)
    _check_spreads(group)


def _check_rules(group: VmGroup, name: str) -> None:
    known = {role.name for role in group.roles}
    for value in group.template.all(name):
        if not isinstance(value, str):
            raise BadTemplate(f'{name} must be the names of roles, {name} = "a,b", is a vector')
    seen = set()
    for names in group.rules(name):
        listed = ", ".join(sorted(names))
        if unknown := sorted(names - known):
            raise BadTemplate(
                f"Some roles used in {name} attribute ({shown(listed)}) are not defined: "
                f"{shown(', '.join(unknown))}; the group has {shown(', '.join(sorted(known)))}"
            )
        if len(names) == 1:
            raise BadTemplate(f"{name} = {listed}: a rule is about two roles or more; for one role there is its POLICY")
        if names in seen:
            raise BadTemplate(f"Duplicated {name} rule ({listed}) detected.")
        seen.add(names)


def _check_together(group: VmGroup) -> None:
    together = together_sets(group)
    for role in group.roles:
        if role.name in together and role.policy is Policy.ANTI_AFFINED:
            raise BadTemplate(f"Role {role.name} is in an AFFINED rule but the role policy is ANTI_AFFINED")
    for names in group.rules(Policy.ANTI_AFFINED):
        for one, other in combinations(sorted(names), 2):
            if other in together.get(one, ()):
                raise BadTemplate(
                    f"Roles defined in AFFINED and ANTI_AFFINED rules: {one} {other}. They cannot be on one host and "
                    "on different ones"
                )


def _check_hosts(group: VmGroup) -> None:
    rules = rules_of(group)
    left = {name: one.hosts - one.not_hosts for name, one in rules.items() if one.hosts is not None}
    for name, hosts in left.items():
        if not hosts:
            raise BadTemplate(
                f"roles {', '.join(sorted(rules[name].together))} are kept together, and no host is left for all of "
                "them by their HOST_AFFINED and HOST_ANTI_AFFINED"
            )
        for other in sorted(rules[name].apart - {name}):
            if len(hosts) == 1 and left.get(other) == hosts:
                raise BadTemplate(
                    f"roles {name} and {other} are kept apart, and both have only host {min(hosts)} by HOST_AFFINED"
                )


def _check_spreads(group: VmGroup) -> None:
    together = together_sets(group)
    seen = set()
    for value in group.template.all("SPREAD"):
        if not isinstance(value, dict):
            raise BadTemplate("SPREAD must be a vector, SPREAD = [ ROLE = …, OVER = … ]")
        for key in value:
            if key not in _SPREAD_KEYS:
                raise BadTemplate(f"SPREAD: {shown(key)} is not known{misspelt(value, _SPREAD_KEYS)}")
        name, over, skew = (value.get(key, "").strip() for key in _SPREAD_KEYS)
        if group.role(name) is None:
            known = ", ".join(role.name for role in group.roles)
            raise BadTemplate(f'SPREAD: ROLE must be one of {shown(known)}, is "{shown(name)}"')
        if not _ATTRIBUTE.fullmatch(over.upper()):
            raise BadTemplate(f'SPREAD: OVER must be CLUSTER, HOST or an attribute of hosts, is "{shown(over)}"')
        if skew and not (skew.isdecimal() and 1 <= int(skew) <= MAX_SKEW_MAX):
            raise BadTemplate(f'SPREAD: MAX_SKEW must be a whole number from 1, is "{shown(skew)}"')
        if name in seen:
            raise BadTemplate(f"SPREAD of role {name} is given twice: give it once")
        if name in together:
            raise BadTemplate(f"role {name} is kept together by AFFINED, and cannot be spread: remove one of them")
        seen.add(name)

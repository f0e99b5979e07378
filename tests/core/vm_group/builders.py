"""VM groups with defaults, strategies for them, and their rules once more, pair by pair."""

from itertools import combinations

from hypothesis import strategies as st

from trifid.core.template.scanner import parse
from trifid.core.vm_group.define import defined
from trifid.core.vm_group.record import Policy, VmGroup
from trifid.errors import BadTemplate

NAMES = ("a", "b", "c")
HOSTS = (1, 2, 3)


def group(text: str) -> VmGroup:
    """Make a group from what a user writes; raises BadTemplate."""
    return defined(VmGroup(7, 10, 1, "app"), parse(text))


def roles(**policies: str) -> str:
    """Return the text of roles of these policies."""
    return "\n".join(f'ROLE = [ NAME = "{name}", POLICY = "{policy}" ]' for name, policy in policies.items())


def _rule(name: str, names: tuple[str, ...]) -> str:
    return f'{name} = "{", ".join(names)}"' if len(names) > 1 else ""


def _consistent(text: str) -> VmGroup | None:
    try:
        return group(text)
    except BadTemplate:
        return None


_several = st.sets(st.sampled_from(NAMES)).map(lambda names: tuple(sorted(names)))
_hosts = st.sets(st.sampled_from(HOSTS), max_size=2).map(lambda ids: ",".join(map(str, sorted(ids))))
_roles = st.tuples(st.sampled_from(Policy), _hosts, _hosts).map(
    lambda of: f'POLICY = "{of[0]}", HOST_AFFINED = "{of[1]}", HOST_ANTI_AFFINED = "{of[2]}"'
)
GROUPS = (
    st.builds(
        lambda described, affined, anti: "\n".join(
            (
                *(f'ROLE = [ NAME = "{name}", {one} ]' for name, one in zip(NAMES, described, strict=True)),
                *(_rule("AFFINED", names) for names in affined),
                *(_rule("ANTI_AFFINED", names) for names in anti),
            )
        ),
        st.tuples(_roles, _roles, _roles),
        st.lists(_several, max_size=2, unique=True),
        st.lists(_several, max_size=2, unique=True),
    )
    .map(_consistent)
    .filter(lambda made: made is not None)
)
"""Groups of three roles whose rules do not contradict each other."""


def broken(made: VmGroup, where: dict[int, tuple[str, frozenset[int]]]) -> list[str]:
    """Return which rules VMs break, from what the manual says, pair by pair.

    Args:
        where: VM id to its role, and the hosts that carry it.
    """
    placed = {vm_id: (made.role(role), hosts) for vm_id, (role, hosts) in where.items() if hosts}
    found = []
    for vm_id, (role, hosts) in placed.items():
        assert role is not None
        if (role.host_affined and not hosts <= {*role.host_affined}) or hosts & {*role.host_anti_affined}:
            found.append(f"VM {vm_id} of {role.name} on {hosts}")
    for (one, (role, hosts)), (other, (role2, hosts2)) in combinations(placed.items(), 2):
        assert role is not None and role2 is not None
        pair = {role.name, role2.name}
        is_one = role.name == role2.name
        together = (is_one and role.policy is Policy.AFFINED) or any(pair <= names for names in made.rules("AFFINED"))
        apart = (is_one and role.policy is Policy.ANTI_AFFINED) or (
            not is_one and any(pair <= names for names in made.rules("ANTI_AFFINED"))
        )
        if together and len(hosts | hosts2) > 1:
            found.append(f"VMs {one} and {other} of {pair} on {hosts | hosts2}")
        if apart and hosts & hosts2:
            found.append(f"VMs {one} and {other} of {pair} both on {hosts & hosts2}")
    return found

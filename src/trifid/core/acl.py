"""Access rules as records: whom a rule speaks of, which objects, which rights."""

import msgspec


class Rule(msgspec.Struct, frozen=True):
    """An access rule: whoever `user` names has `rights` on what `resource` names.

    Attributes:
        user: one of the bits INDIVIDUAL, GROUP and ALL, and the id of the user or group.
        resource: bits of kinds, one of the bits INDIVIDUAL, GROUP, CLUSTER and ALL, and the id.
        rights: sum of the bits of `Right`.
        zone: INDIVIDUAL and the id of the zone, or ALL.
        of_vdcs: virtual data centres ask for it; it comes and goes with them.
    """

    id: int
    user: int
    resource: int
    rights: int
    zone: int
    of_vdcs: bool = False

"""The gate compared with an oracle that is written straight from the sentences of the reference, on random cases."""

import random
from collections import Counter

import msgspec

from trifid.core.access import Caller, Permissions, Right, allowed
from trifid.core.acl import Rule, RuleSet

CASES = 120_000
TRIED = ("VM", "HOST", "NET", "IMAGE", "USER", "TEMPLATE", "GROUP", "ACL", "DATASTORE", "CLUSTER")
KINDS = (
    *TRIED,
    *("DOCUMENT", "ZONE", "SECGROUP", "VDC", "VROUTER", "MARKETPLACE", "MARKETPLACEAPP", "VMGROUP", "VNTEMPLATE"),
    *("HOOK", "BACKUPJOB"),
)
USERS, GROUPS, CLUSTERS, OBJECTS = range(1, 5), (0, 1, 100, 101), (0, 100), range(4)


class Thing(msgspec.Struct):
    id: int
    uid: int
    gid: int
    permissions: Permissions
    cluster_ids: tuple[int, ...] = ()


# -- the oracle: reference/xmlrpc.md §3, reference/api-modern.md §3 and §5.6 -------------------------


def oracle(uid, gids, right, kind, thing, gid, rules):
    """Tell whether a user may."""
    if 0 in gids:  # members of group 0 bypass checks
        return True
    if thing is not None and right != "CREATE":
        column = ("USE", "MANAGE", "ADMIN").index(right)
        bits = f"{thing.permissions.bits:09b}"  # owner u m a, group u m a, other u m a
        mine = bits[column] if thing.uid == uid else "0"
        ours = bits[3 + column] if thing.gid in gids else "0"
        if "1" in (mine, ours, bits[6 + column]):
            return True
    about_group_0 = gid == 0 and kind == "USER" if thing is None else thing.gid == 0
    if right != "USE" and kind in ("USER", "GROUP") and about_group_0:  # docs/access.md: none reaches administrators
        return False
    return any(oracle_rule(rule, uid, gids, right, kind, thing, gid) for rule in rules)


def oracle_rule(rule, uid, gids, right, kind, thing, gid):
    """Tell whether one rule lets a user; its words are hexadecimal text, digit by digit as they are sent."""
    user, resource, rights, zone = (f"{word:016x}" for word in rule)
    whom = {"1": int(user[8:], 16) == uid, "2": int(user[8:], 16) in gids, "4": True}[user[7]]
    kinds = int(resource[:7], 16)  # VM 0x10_0000_0000, then doubling
    is_kind = kinds >> KINDS.index(kind) & 1
    number = int(resource[8:], 16)
    if resource[7] == "4":
        is_it = True
    elif thing is None:  # nothing is there yet: only the group in which it will be
        is_it = resource[7] == "2" and right == "CREATE" and number == gid
    elif resource[7] == "1":
        is_it = number == thing.id
    elif resource[7] == "2":
        is_it = number == thing.gid
    else:
        is_it = kind in ("HOST", "NET", "DATASTORE") and number in thing.cluster_ids
    granted = {"USE": 1, "MANAGE": 2, "ADMIN": 4, "CREATE": 8}[right] & int(rights, 16)
    here = zone[7] == "4" or (zone[7] == "1" and int(zone[8:], 16) == 0)
    return bool(whom and is_kind and is_it and granted and here)


# -- random cases ------------------------------------------------------------------------------------


def a_rule(chance):
    """Return the four words of a random rule."""
    user = chance.choice([(1 << 32) + chance.choice(USERS), (2 << 32) + chance.choice(GROUPS), 4 << 32])
    scopes = [(1, chance.choice(OBJECTS)), (2, chance.choice(GROUPS)), (4, 0), (8, chance.choice(CLUSTERS))]
    scope, number = chance.choice(scopes)
    kinds = sum(1 << 36 + n for n in chance.sample(range(len(TRIED)), chance.randint(1, 4)))
    zone = chance.choice([4 << 32, 4 << 32, 1 << 32, (1 << 32) + 5])
    return user, kinds + (scope << 32) + number, chance.randint(1, 15), zone


def a_thing(chance):
    bits = chance.choice([0, 0, 0o400, 0o600, 0o640, 0o604, chance.randrange(0o1000)])
    clusters = tuple(chance.sample(CLUSTERS, chance.randint(0, 2)))
    return Thing(chance.choice(OBJECTS), chance.choice(USERS), chance.choice(GROUPS), Permissions(bits), clusters)


def test_the_gate_decides_as_the_reference_says_in_many_thousand_random_cases():
    chance = random.Random(20)
    seen = Counter()
    for _ in range(CASES // 20):
        rules = [a_rule(chance) for _ in range(chance.choice([0, 1, 2, 5, 12]))]
        known = RuleSet(Rule(number, *rule) for number, rule in enumerate(rules))
        for _ in range(20):
            uid = chance.choice(USERS)
            gids = tuple(chance.sample(GROUPS if chance.random() < 0.1 else GROUPS[1:], chance.randint(1, 3)))
            caller = Caller(uid, "somebody", gids, rules=known.of(uid, gids))
            right, kind = chance.choice(tuple(Right)), chance.choice(TRIED)
            thing = a_thing(chance) if chance.random() < 0.8 else None
            gid = chance.choice(GROUPS)
            expected = oracle(uid, gids, right.name, kind, thing, gid, rules)
            assert allowed(caller, right, kind, thing, gid) is expected, (caller, right, kind, thing, gid, rules)
            seen[expected] += 1
    assert seen.total() == CASES >= 100_000
    assert min(seen.values()) > CASES // 5, f"hardly anything is decided one way: {seen}"

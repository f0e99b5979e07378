"""The rules that keep services to their own guests: pure.

On the host, among the ports of a bridge, a service and the guests of its network on this host hear each other, and
nobody else hears either of them say DHCP, or ask for the service's address.  So the same address may be on every
host of a network that reaches over several.  Between host and namespaces, what guests send out leaves with the
host's address; the host itself, other networks' guests and the bridges of networks are not outside.
"""

from collections.abc import Iterable, Sequence

from trifid.drivers.vnm.services_plan import LAN, UP, Plan

INSIDE = "trifid"
"""The table of a namespace."""


def table_of(engine: str) -> str:
    """Return the name of the tables on the host."""
    return f"trifid_services_{engine}"


def host_rules(plans: Sequence[Plan], table: str) -> str:
    """Return what nft is told on the host: both tables, made anew in one transaction; removed when nothing is left."""
    removed = "".join(f"table {family} {table}\ndelete table {family} {table}\n" for family in ("bridge", "inet"))
    local = _local(plans, table) if plans else ""
    outside = _outside(plans, table) if any(plan.uplink for plan in plans) else ""
    return removed + local + outside


def _local(plans: Sequence[Plan], table: str) -> str:
    allowed = [f'"{guest}" . "{plan.port}"' for plan in plans for guest in plan.guests]
    asking = [f'"{guest}" . {plan.interface.ip}' for plan in plans for guest in plan.guests]
    given = [f'"{guest}"' for plan in plans if plan.services.has_dhcp for guest in plan.guests]
    return f"""table bridge {table} {{
{_set("services", "ifname", [f'"{plan.port}"' for plan in plans])}
{_set("allowed", "ifname . ifname", allowed)}
{_set("asking", "ifname . ipv4_addr", asking)}
{_set("given", "ifname", given)}
chain forward {{
type filter hook forward priority -210; policy accept;
oifname @services iifname . oifname != @allowed drop
iifname @services oifname . iifname != @allowed drop
oifname @services accept
iifname @services accept
iifname . arp daddr ip @asking drop
iifname . arp saddr ip @asking drop
iifname @given meta protocol ip udp dport 67 drop
iifname @given meta protocol ip6 udp dport 547 drop
oifname @given meta protocol ip udp sport 67 udp dport 68 drop
}}
}}
"""


def _outside(plans: Sequence[Plan], table: str) -> str:
    having = [plan for plan in plans if plan.uplink]
    closed = {plan.bridge for plan in plans if plan.is_bridge_ours}
    return f"""table inet {table} {{
{_set("uplinks", "ifname", [f'"{plan.uplink}"' for plan in having])}
{_set("inner", "ipv4_addr", [plan.inner for plan in having])}
{_set("closed", "ifname", [f'"{bridge}"' for bridge in sorted(closed)])}
chain input {{
type filter hook input priority -5; policy accept;
iifname @uplinks ct state established,related accept
iifname @uplinks drop
}}
chain forward {{
type filter hook forward priority -5; policy accept;
iifname @uplinks oifname @uplinks drop
iifname @uplinks oifname @closed drop
iifname @uplinks ip saddr != @inner drop
oifname @uplinks ct state established,related accept
oifname @uplinks drop
}}
chain postrouting {{
type nat hook postrouting priority srcnat; policy accept;
ip saddr @inner oifname != @uplinks masquerade
}}
}}
"""


def inside_rules(plan: Plan) -> str:
    """Return what nft is told in a network's namespace."""
    services = plan.services
    opened = [f'iifname "{LAN}" icmp type echo-request accept', f'iifname "{LAN}" meta l4proto ipv6-icmp accept']
    if services.has_dhcp:
        opened.append(f'iifname "{LAN}" udp dport {{ 67, 547 }} accept')
    if services.has_dns:
        opened += [f'iifname "{LAN}" {protocol} dport 53 accept' for protocol in ("udp", "tcp")]
    passed = []
    if services.is_router:
        passed = [
            f'iifname "{LAN}" oifname "{UP}" ip saddr {plan.interface.network} accept',
            f'iifname "{UP}" oifname "{LAN}" ct state established,related accept',
        ]
    lines = [
        f"table inet {INSIDE}",
        f"delete table inet {INSIDE}",
        f"table inet {INSIDE} {{",
        "chain input {",
        "type filter hook input priority filter; policy drop;",
        'iifname "lo" accept',
        "ct state established,related accept",
        *opened,
        "}",
        "chain forward {",
        "type filter hook forward priority filter; policy drop;",
        *passed,
        "}",
        "chain postrouting {",
        "type nat hook postrouting priority srcnat; policy accept;",
        f'oifname "{UP}" masquerade',
        "}",
        "}",
    ]
    return "".join(f"{line}\n" for line in lines)


def _set(name: str, kind: str, elements: Iterable[str]) -> str:
    listed = ", ".join(dict.fromkeys(elements))
    return f"set {name} {{ type {kind};{f' elements = {{ {listed} }};' if listed else ''} }}"

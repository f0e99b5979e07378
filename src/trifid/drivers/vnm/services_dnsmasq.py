"""The files of a network's dnsmasq: pure.

Nobody gets an address that the engine did not give: its MAC is in the file of leases, or it is not answered.
dnsmasq remembers no leases; the file is all there is.
"""

from collections.abc import Iterator
from ipaddress import ip_address

from trifid.core.network.host_document import Named
from trifid.drivers.vnm.services_plan import LAN, Plan

LEASE_TIME = "168h"
"""Guests ask again after half of it; an engine that is away does not cost them their address."""
CONFIG, LEASES, NAMES, PID = "dnsmasq.conf", "leases", "names", "dnsmasq.pid"
"""The files, in the network's directory."""
RESOLVERS = ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf")
"""Where a host keeps the addresses of its name servers; the first that is there counts.  (With systemd-resolved
the second names only the host itself, which a namespace does not reach.)"""


def config(plan: Plan, resolvers: str) -> str:
    """Return the configuration.

    Args:
        resolvers: the file of the host's name servers, for a network that has none of its own.
    """
    return "".join(f"{line}\n" for line in _lines(plan, resolvers))


def _lines(plan: Plan, resolvers: str) -> Iterator[str]:
    yield f"pid-file={plan.directory}/{PID}"
    yield from (f"interface={LAN}", "except-interface=lo", "bind-interfaces", "no-hosts")
    if plan.services.domain:
        yield from (f"domain={plan.services.domain}", "expand-hosts")
    yield from _dns(plan, resolvers)
    if plan.services.has_dhcp:
        yield from _dhcp(plan)


def _dns(plan: Plan, resolvers: str) -> Iterator[str]:
    services = plan.services
    if not services.has_dns:
        yield "port=0"
        return
    yield from (f"addn-hosts={plan.directory}/{NAMES}", "domain-needed", "bogus-priv")
    if services.domain:
        yield f"local=/{services.domain}/"
    if services.dns:
        yield from ("no-resolv", *(f"server={one}" for one in services.dns))
    else:
        yield f"resolv-file={resolvers}"


def _dhcp(plan: Plan) -> Iterator[str]:
    services, network = plan.services, plan.interface.network
    yield from ("dhcp-authoritative", "leasefile-ro", "dhcp-ignore=tag:!known", "dhcp-ignore-names")
    yield f"dhcp-hostsfile={plan.directory}/{LEASES}"
    yield f"dhcp-range={network.network_address},static,{network.netmask},{LEASE_TIME}"
    own = str(plan.interface.ip)
    routers = own if services.is_router else services.gateway
    servers = own if services.has_dns else ",".join(one for one in services.dns if ":" not in one)
    # An option without a value is not sent; one that is not mentioned would be, with our own address.
    yield f"dhcp-option=option:router{',' if routers else ''}{routers}"
    yield f"dhcp-option=option:dns-server{',' if servers else ''}{servers}"
    if plan.mtu:
        yield f"dhcp-option=option:mtu,{plan.mtu}"
    if plan.interface6 is not None:
        # Lifetime 0: addresses and names are ours, the way out is not.
        yield from ("enable-ra", f"ra-param={LAN},60,0")
        network6 = plan.interface6.network
        yield f"dhcp-range={network6.network_address},static,{network6.prefixlen},{LEASE_TIME}"
        if services.has_dns:
            yield f"dhcp-option=option6:dns-server,[{plan.interface6.ip}]"


def leases(plan: Plan) -> str:
    """Return who gets which address: a line for each, sorted."""
    by_address: dict[str, list[Named]] = {}
    for one in plan.services.known:
        v4 = next((a for a in one.addresses if ":" not in a and ip_address(a) in plan.interface.network), "")
        by_address.setdefault(v4 or f"- {one.mac}", []).append(one)
    lines = []
    for address, holders in by_address.items():
        given = [] if address.startswith("-") else [address]
        if len(holders) == 1:
            given += _given6(plan, holders[0])
        if given:
            # id:* : a guest is its MAC, whatever it calls itself (its second system, its boot loader)
            macs = ",".join(sorted({one.mac for one in holders}))
            lines.append(f"{macs},id:*,{','.join(given)},{holders[0].name}\n")
    return "".join(sorted(lines))


def _given6(plan: Plan, one: Named) -> list[str]:
    if plan.interface6 is None:
        return []
    found = [a for a in one.addresses if ":" in a and ip_address(a) in plan.interface6.network]
    return [f"[{found[0]}]"] if found else []


def names(plan: Plan) -> str:
    """Return the names and their addresses: a line for each address."""
    return "".join(f"{address} {one.name}\n" for one in plan.services.known for address in one.addresses)


def is_forgetting(before: str, after: str) -> bool:
    """Tell whether dnsmasq must forget something between two files of leases: it does not, unless it is restarted."""
    return not set(before.splitlines()) <= set(after.splitlines())

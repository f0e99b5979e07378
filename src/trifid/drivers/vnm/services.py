"""Address services of a host's networks: DHCP, DNS and a way out, each network's in a namespace of its own.

For the network driver, after links and filters, with everything of the document, also when no network has services:

    services.apply(Tools(host, request.stop), document, troubles)      # what is there and no longer wanted goes

A service is a *port of the bridge* (`ts…`, a veth): what guests and it say to each other is forwarded between ports,
it is not the host's input.  What filtered ports must be let do for it, of each network with `services`:

    between guests and services.address:   from guest udp 67 (255.255.255.255, too), udp and tcp 53, icmp
                                           to guest udp 67 -> 68 (255.255.255.255, too)
    and services.address6:                 from guest udp 547 (ff02::1:2), to guest udp 547 -> 546, RA

The rest, what is routed, is as the security groups say.  Names here: namespaces `trifid-<first 8 of engine id>-<id>`,
links `ts<4>-<hex id>` and `tu<4>-<hex id>` without alias, tables `trifid_services_<first 8>` of families bridge and
inet, files below /run/trifid/<engine id>.  The driver leaves these alone.
"""

from trifid.core.network.host_document import HostDocument
from trifid.drivers.vnm import services_dnsmasq as dnsmasq
from trifid.drivers.vnm import services_host as there
from trifid.drivers.vnm.services_plan import Plan, engine_part, plans
from trifid.drivers.vnm.services_rules import host_rules, inside_rules, table_of
from trifid.drivers.vnm.tools import Tools
from trifid.drivers.vnm.troubles import Troubles


def apply(tools: Tools, document: HostDocument, troubles: Troubles) -> None:
    """Make the services of a host what its document says.

    Applied twice it changes nothing; a dnsmasq that has died runs again.

    What keeps one network's from being made is the trouble of that network.

    Raises:
        ConnectionLost: the host is not reached.
    """
    wanted = plans(document, troubles)
    asked = [network.id for network in document.networks if network.services is not None]
    with troubles.of(*asked):
        _apply(tools, document, wanted, troubles)


def _apply(tools: Tools, document: HostDocument, wanted: list[Plan], troubles: Troubles) -> None:
    """Make the services of the wanted networks; raises Failure when those of none can be."""
    table = table_of(engine_part(document))
    present = there.look(tools, document, table)
    for network_id in sorted(set(present.networks) - {plan.network_id for plan in wanted}):
        with troubles.of():
            there.end(tools, document, network_id)
    if wanted or present.has_tables:
        tools.feed(host_rules(wanted, table), "nft", "-f", "-")
    if not present.forwards and any(plan.uplink for plan in wanted):
        there.forward(tools)
    for plan in wanted:
        with troubles.of(plan.network_id):
            _serve(tools, document, plan, present)


def _serve(tools: Tools, document: HostDocument, plan: Plan, present: there.Present) -> None:
    """Make the services of one network."""
    config = dnsmasq.config(plan, present.resolvers) if plan.has_dnsmasq else ""
    leases, names = dnsmasq.leases(plan), dnsmasq.names(plan)
    digests = there.Digests(
        links=there.digest(there.links_text(plan)),
        rules=there.digest(inside_rules(plan)),
        config=there.digest(config),
        tables=there.digest(f"{leases}\n{names}"),
    )
    state = present.networks.get(plan.network_id, there.State())
    before = _applied(state)
    is_whole = state.is_there and state.bridge == plan.bridge and there.addresses_of(plan) <= state.addresses
    if not is_whole or before.links != digests.links:
        there.end(tools, document, plan.network_id)
        there.make_links(tools, plan)
        state, before = there.State(), there.Digests(digests.links, digests.rules, "", "")
    if before.rules != digests.rules:
        there.load_rules(tools, plan)
    if not plan.has_dnsmasq:
        if state.runs:
            there.end_programs(tools, plan)
    else:
        is_same = before.config == digests.config and state.runs
        _tell_dnsmasq(tools, plan, config, (leases, names), is_same, before.tables == digests.tables)
    if digests.text() != state.applied:
        there.note_applied(tools, plan, digests)


def _tell_dnsmasq(
    tools: Tools, plan: Plan, config: str, tables: tuple[str, str], runs_so: bool, has_tables: bool
) -> None:
    """Have dnsmasq run with this configuration, these leases and names."""
    leases, names = tables
    if not has_tables:
        if runs_so and dnsmasq.is_forgetting(there.leases_there(tools, plan), leases):
            there.end_programs(tools, plan)  # before the file says so: nobody would know that it must
            runs_so = False
        there.write_tables(tools, plan, leases, names)
    if not runs_so:
        there.start_dnsmasq(tools, plan, config)
    elif not has_tables:
        there.reload_dnsmasq(tools, plan)


def _applied(state: there.State) -> there.Digests:
    words = state.applied.split()
    return (
        there.Digests(*words) if len(words) == len(there.Digests.__struct_fields__) else there.Digests("", "", "", "")
    )

"""What is there of services on a host, and the steps that make and end them there."""

import hashlib
from collections.abc import Iterator

import msgspec

from trifid.core.network.host_document import HostDocument
from trifid.drivers.vnm.services_dnsmasq import CONFIG, LEASES, NAMES, PID, RESOLVERS
from trifid.drivers.vnm.services_plan import LAN, UP, Plan, directory_of, links_of, namespaces_begin
from trifid.drivers.vnm.services_rules import inside_rules
from trifid.drivers.vnm.tools import Tools

_APPLIED = "applied"
_DHCP_CHECKSUMS = ("ethtool", "-K", LAN, "tx", "off")

# Prints, tab-separated: what the host is, then of each network what was applied, whether dnsmasq runs in its
# namespace, and the namespace's addresses.
_LOOK = r"""
directory=$1 begin=$2 table=$3; shift 3
for resolvers in "$@"; do [ -e "$resolvers" ] && break; done
tables=no
case " $(nft list tables 2>/dev/null | tr '\n' ' ') " in *" $table "*) tables=yes;; esac
printf 'host\t%s\t%s\t%s\n' "$resolvers" "$tables" "$(cat /proc/sys/net/ipv4/ip_forward)"
for path in "/run/netns/$begin"* "$directory"/*; do
    [ -e "$path" ] || continue
    case $path in
        /run/netns/*) id=${path#"/run/netns/$begin"} there=yes;;
        *) id=${path##*/} there=no; [ ! -e "/run/netns/$begin$id" ] || continue;;
    esac
    runs=no pid=$(cat "$directory/$id/dnsmasq.pid" 2>/dev/null)
    [ -z "$pid" ] || [ ! "/proc/$pid/ns/net" -ef "/run/netns/$begin$id" ] || runs=yes
    addresses=
    [ $there = no ] || addresses=$(ip -n "$begin$id" -o addr show 2>/dev/null |
        while read -r _ device _ address _; do printf '%s=%s ' "$device" "$address"; done)
    printf 'network\t%s\t%s\t%s\t%s\t%s\n' "$id" "$there" "$runs" "$addresses" \
        "$(cat "$directory/$id/applied" 2>/dev/null)"
done
"""
# Short of the size that it should have, the text was cut off on its way.
_WRITE = r"""
set -e
umask 022
mkdir -p "${1%/*}"
cat > "$1.new"
[ "$(wc -c < "$1.new")" -eq "$2" ]
mv -f "$1.new" "$1"
"""
_END_PROGRAMS = r"""
for pid in $(ip netns pids "$1" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null || :; done
"""
# A dnsmasq whose namespace has lost its name is found by its file only.
_END = (
    _END_PROGRAMS
    + r"""
pid=$(cat "$2/dnsmasq.pid" 2>/dev/null)
case $(tr '\0' ' ' 2>/dev/null < "/proc/${pid:-none}/cmdline") in
    "dnsmasq --conf-file=$2/"*) kill -KILL "$pid" 2>/dev/null || :;;
esac
for link in "$3" "$4"; do ip link delete dev "$link" 2>/dev/null || :; done
[ ! -e "/run/netns/$1" ] || ip netns delete "$1"
rm -rf -- "$2"
rmdir -- "${2%/*}" 2>/dev/null || :
"""
)
_RELOAD = 'kill -HUP "$(cat "$1")"'


class State(msgspec.Struct, frozen=True):
    """What is there of a network's services.

    Attributes:
        is_there: whether its namespace is.
        runs: whether its dnsmasq is.
        addresses: of the namespace, `lan=10.0.0.254/24`.
        applied: digests of what was applied last (Digests).
        bridge: that its port is at, empty when it is at none, or down.
    """

    is_there: bool = False
    runs: bool = False
    addresses: frozenset[str] = frozenset()
    applied: str = ""
    bridge: str = ""


class Present(msgspec.Struct, frozen=True):
    """What is there on a host.

    Attributes:
        resolvers: file with the addresses of its name servers.
        has_tables: whether rules of ours are.
        forwards: whether it passes packets on.
        networks: by network id.
    """

    resolvers: str
    has_tables: bool
    forwards: bool
    networks: dict[int, State]


class Digests(msgspec.Struct, frozen=True):
    """What was applied, in short: of the links, of the rules, of dnsmasq's configuration, of its leases and names."""

    links: str
    rules: str
    config: str
    tables: str

    def text(self) -> str:
        """Return them in one line."""
        return " ".join((self.links, self.rules, self.config, self.tables))


def look(tools: Tools, document: HostDocument, table: str) -> Present:
    """Return what is there; raises Failure when the host cannot tell."""
    arguments = (directory_of(document), namespaces_begin(document), table, *RESOLVERS)
    said = tools.run("sh", "-c", _LOOK, "sh", *arguments).splitlines()
    _, resolvers, has_tables, forwards = said[0].split("\t")
    rows = [line.split("\t") for line in said[1:]]
    bridges = _bridges(tools) if rows else {}
    networks = {}
    for _, number, there, runs, addresses, applied in rows:
        if number.isdecimal():
            bridge = bridges.get(links_of(document, int(number))[0], "")
            present = frozenset(addresses.split())
            networks[int(number)] = State(there == "yes", runs == "yes", present, applied.strip(), bridge)
    return Present(resolvers, has_tables == "yes", forwards == "1", networks)


def _bridges(tools: Tools) -> dict[str, str]:
    """Return link -> bridge of the links that are up and at one."""
    links = tools.objects("ip", "-j", "link", "show", "type", "veth")
    return {
        str(link["ifname"]): str(link["master"]) for link in links if "master" in link and "UP" in link.get("flags", ())
    }


def links_text(plan: Plan) -> str:
    """Return what decides whether links must be made anew."""
    fields = (plan.bridge, plan.mtu, plan.mac, plan.services.address, plan.services.address6)
    return repr((*fields, plan.uplink, plan.outer, plan.services.is_router))


def digest(text: str) -> str:
    """Return a short word for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def addresses_of(plan: Plan) -> frozenset[str]:
    """Return the addresses that the namespace must have."""
    found = {f"{LAN}={plan.interface}"}
    if plan.interface6 is not None:
        found.add(f"{LAN}={plan.interface6}")
    if plan.uplink:
        found.add(f"{UP}={plan.inner}/31")
    return frozenset(found)


def make_links(tools: Tools, plan: Plan) -> None:
    """Make the namespace, its links and its rules; the bridge sees it last."""
    tools.run("ip", "netns", "add", plan.namespace)
    tools.feed(_batch(_outer_links(plan)), "ip", "-batch", "-")
    settings = {
        "net.ipv4.ip_forward": int(plan.services.is_router),
        "net.ipv4.conf.all.arp_ignore": 1,
        "net.ipv6.conf.all.forwarding": 0,
        f"net.ipv6.conf.{LAN}.accept_ra": 0,
    }
    inside = ("ip", "netns", "exec", plan.namespace)
    tools.run(*inside, "sysctl", "-e", "-q", "-w", *(f"{name}={value}" for name, value in settings.items()))
    tools.feed(inside_rules(plan), *inside, "nft", "-f", "-")
    # Guests that read packets raw take one whose checksum is left to the network card for a broken one.
    tools.run(
        "sh", "-c", 'command -v ethtool >/dev/null || exit 0; exec "$@" >/dev/null', "sh", *inside, *_DHCP_CHECKSUMS
    )
    tools.feed(_batch(_inner_links(plan)), "ip", "-n", plan.namespace, "-batch", "-")
    tools.run("ip", "link", "set", "dev", plan.port, "master", plan.bridge, "up")
    tools.run("bridge", "fdb", "replace", plan.mac, "dev", plan.port, "master", "static")


def _outer_links(plan: Plan) -> Iterator[str]:
    yield f"link add {plan.port} type veth peer name {LAN} netns {plan.namespace}"
    if plan.mtu:
        yield f"link set dev {plan.port} mtu {plan.mtu}"
    if plan.uplink:
        yield f"link add {plan.uplink} type veth peer name {UP} netns {plan.namespace}"
        yield f"address add {plan.outer}/31 dev {plan.uplink}"
        yield f"link set dev {plan.uplink} up"


def _inner_links(plan: Plan) -> Iterator[str]:
    yield "link set dev lo up"
    yield f"link set dev {LAN} address {plan.mac}{f' mtu {plan.mtu}' if plan.mtu else ''}"
    yield f"address add {plan.interface} dev {LAN}"
    if plan.interface6 is not None:
        yield f"address add {plan.interface6} dev {LAN} nodad"  # it is on other hosts, too
    yield f"link set dev {LAN} up"
    if plan.uplink:
        yield f"address add {plan.inner}/31 dev {UP}"
        yield f"link set dev {UP} up"
        yield f"route add default via {plan.outer} dev {UP}"


def _batch(lines: Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def load_rules(tools: Tools, plan: Plan) -> None:
    """Replace the rules of a namespace."""
    tools.feed(inside_rules(plan), "ip", "netns", "exec", plan.namespace, "nft", "-f", "-")


def write(tools: Tools, path: str, text: str) -> None:
    """Write a file, whole or not at all."""
    tools.feed(text, "sh", "-c", _WRITE, "sh", path, str(len(text.encode())))


def note_applied(tools: Tools, plan: Plan, digests: Digests) -> None:
    """Remember what was applied."""
    write(tools, f"{plan.directory}/{_APPLIED}", f"{digests.text()}\n")


def write_tables(tools: Tools, plan: Plan, leases: str, names: str) -> None:
    """Write what dnsmasq reads again when it is told to."""
    write(tools, f"{plan.directory}/{LEASES}", leases)
    write(tools, f"{plan.directory}/{NAMES}", names)


def leases_there(tools: Tools, plan: Plan) -> str:
    """Return the leases that dnsmasq was told last."""
    return tools.run("sh", "-c", 'cat "$1" 2>/dev/null || :', "sh", f"{plan.directory}/{LEASES}")


def start_dnsmasq(tools: Tools, plan: Plan, config: str) -> None:
    """Start dnsmasq, after the one that runs was ended."""
    write(tools, f"{plan.directory}/{CONFIG}", config)
    end_programs(tools, plan)
    run = ("ip", "netns", "exec", plan.namespace, "dnsmasq", f"--conf-file={plan.directory}/{CONFIG}")
    tools.run("sh", "-c", 'command -v dnsmasq >/dev/null || { echo "dnsmasq: not found" >&2; exit 127; }', "dnsmasq")
    tools.run(*run)


def reload_dnsmasq(tools: Tools, plan: Plan) -> None:
    """Have dnsmasq read leases and names again."""
    tools.run("sh", "-c", _RELOAD, "sh", f"{plan.directory}/{PID}")


def end_programs(tools: Tools, plan: Plan) -> None:
    """End what runs in a namespace."""
    tools.run("sh", "-c", _END_PROGRAMS, "sh", plan.namespace)


def end(tools: Tools, document: HostDocument, network_id: int) -> None:
    """End the services of a network; nothing is left of them."""
    where = (f"{namespaces_begin(document)}{network_id}", f"{directory_of(document)}/{network_id}")
    tools.run("sh", "-c", _END, "sh", *where, *links_of(document, network_id))


def forward(tools: Tools) -> None:
    """Let the host pass packets on, which namespaces need to reach anything."""
    tools.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")

"""TOPOLOGY and NUMA_NODE of a template: memory nodes of the guest, and where on the host they are.

Placement chooses hosts, not processors: a VM is pinned as far as its template says to what.

Source: libvirt's domain format (numatune, cputune, cpu/numa); the attributes are those of OpenNebula.
"""

from xml.etree.ElementTree import Element

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.connector import Hypervisor
from trifid.drivers.libvirt.mapping import Mapping, Property, child, put
from trifid.drivers.libvirt.vm import Vector, VmDocument

NUMA_NODE = Mapping(
    "NUMA_NODE",
    "domain",
    (
        Property("cpu/numa/cell/@cpus", "TOTAL_CPUS", note="one cell for each NUMA_NODE; evenly when not given"),
        Property("cpu/numa/cell/@memory", "MEMORY", note="MiB; evenly when not given"),
        Property("cputune/vcpupin/@cpuset", "CPUS", note="of the host; not with PIN_POLICY=NONE"),
        Property("numatune/memnode/@nodeset", "MEMORY_NODE_ID", note="node of the host, strictly"),
    ),
)

PINNING = Mapping(
    "TOPOLOGY",
    "domain",
    (
        Property(
            ".",
            "PIN_POLICY",
            note="CORE, THREAD: one CPU of CPUS for each virtual one; else any of them. NONE: no pins",
        ),
        Property(
            "numatune/memory/@nodeset",
            "NODE_AFFINITY",
            note="nodes of the host, strictly; `vcpu/@cpuset` are their CPUs. Not with CPUS or MEMORY_NODE_ID",
        ),
    ),
)

_ONE_FOR_EACH = ("CORE", "THREAD")


def put_numa(domain: Element, cpu: Element, vm: VmDocument, hypervisor: Hypervisor, most_cpus: int) -> None:
    """Add memory nodes and pins.

    Args:
        cpu: element that gets the nodes.
        most_cpus: virtual CPUs that the domain can have.

    Raises:
        Failure: what the template says does not add up, or the host has no such node.
    """
    nodes = vm.template.vectors("NUMA_NODE")
    _put_affinity(domain, vm, hypervisor)
    if not nodes:
        return
    cpus = _shares(nodes, "TOTAL_CPUS", most_cpus, "VCPU (or VCPU_MAX)")
    if vm.template.single("MEMORY_RESIZE_MODE").upper() != "HOTPLUG":
        _refuse_growth(vm)
    memory_mib = _shares(nodes, "MEMORY", int(vm.template.single("MEMORY")), "MEMORY")
    numa = child(cpu, "numa")
    first = 0
    for number, (node, count, mib) in enumerate(zip(nodes, cpus, memory_mib, strict=True)):
        last = first + count - 1
        span = str(first) if first == last else f"{first}-{last}"
        child(numa, "cell", id=str(number), cpus=span, memory=str(mib * 1024), unit="KiB")
        _put_pins(domain, vm, node, number, range(first, last + 1))
        first = last + 1


def hints(vm: VmDocument) -> list[str]:
    """Return what of the template does not come about: nobody chooses processors."""
    policy = vm.template.vector("TOPOLOGY").get("PIN_POLICY", "").upper()
    nodes = vm.template.vectors("NUMA_NODE")
    if policy in ("", "NONE", "NODE_AFFINITY") or (nodes and all(node.get("CPUS") for node in nodes)):
        return []
    return [f"TOPOLOGY: PIN_POLICY={policy} pins to what NUMA_NODE/CPUS names; without it the machine is not pinned"]


def node_cpus(capabilities: Element) -> dict[str, str]:
    """Return the CPUs of a host's NUMA nodes, {node: `0,1`}."""
    return {
        cell.get("id", ""): ",".join(cpu.get("id", "") for cpu in cell.iterfind("cpus/cpu"))
        for cell in capabilities.iterfind("host/topology/cells/cell")
    }


def _shares(nodes: list[Vector], key: str, total: int, of: str) -> list[int]:
    """Return what of a total each node has: as given, else evenly.

    Raises:
        Failure: it does not add up.
    """
    given = [int(node.get(key) or 0) for node in nodes]
    if not any(given):
        given = [total // len(nodes) + (number < total % len(nodes)) for number in range(len(nodes))]
    if sum(given) != total or not all(given):
        raise Failure(
            f"NUMA_NODE: {key} of the {len(nodes)} nodes is {' + '.join(map(str, given))}, and must add up to "
            f"{of}={total}, with something for each"
        )
    return given


def _refuse_growth(vm: VmDocument) -> None:
    if int(vm.template.single("MEMORY_MAX") or 0) > int(vm.template.single("MEMORY")):
        raise Failure("NUMA_NODE: nodes have memory that does not grow by the balloon: leave MEMORY_MAX out")


def _put_pins(domain: Element, vm: VmDocument, node: Vector, number: int, virtual: range) -> None:
    policy = vm.template.vector("TOPOLOGY").get("PIN_POLICY", "").upper()
    real = [text.strip() for text in node.get("CPUS", "").split(",") if text.strip()]
    if real and policy != "NONE":
        if policy in _ONE_FOR_EACH and len(real) < len(virtual):
            raise Failure(
                f"NUMA_NODE {number}: PIN_POLICY={policy} needs a CPU in CPUS for each of {len(virtual)} virtual CPUs, "
                f"there are {len(real)}"
            )
        cputune = domain.find("cputune")
        cputune = child(domain, "cputune") if cputune is None else cputune
        for place, vcpu in enumerate(virtual):
            cpuset = real[place] if policy in _ONE_FOR_EACH else ",".join(real)
            child(cputune, "vcpupin", vcpu=str(vcpu), cpuset=cpuset)
    if at := node.get("MEMORY_NODE_ID", ""):
        numatune = domain.find("numatune")
        numatune = child(domain, "numatune") if numatune is None else numatune
        child(numatune, "memnode", cellid=str(number), mode="strict", nodeset=at)


def _put_affinity(domain: Element, vm: VmDocument, hypervisor: Hypervisor) -> None:
    topology = vm.template.vector("TOPOLOGY")
    wanted = [node.strip() for node in topology.get("NODE_AFFINITY", "").split(",") if node.strip()]
    chosen = [node for node in vm.template.vectors("NUMA_NODE") if node.get("CPUS") or node.get("MEMORY_NODE_ID")]
    if not wanted or chosen or topology.get("PIN_POLICY", "").upper() == "NONE":
        return
    if absent := [node for node in wanted if node not in hypervisor.node_cpus]:
        there = ", ".join(hypervisor.node_cpus) or "none"
        raise Failure(f"TOPOLOGY: NODE_AFFINITY names node {', '.join(absent)}, the host's are {there}")
    put(domain, "numatune/memory/@mode", "strict")
    put(domain, "numatune/memory/@nodeset", ",".join(wanted))
    put(domain, "vcpu/@cpuset", ",".join(filter(None, (hypervisor.node_cpus[node] for node in wanted))))

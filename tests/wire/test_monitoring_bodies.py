"""What was measured, as documents: valid by the schemas, and numbers that clients can bind."""

from tests.wire.schemas import valid
from trifid.core.host import Host, HostState
from trifid.core.samples import Sample
from trifid.wire.bodies.host import HostUsage, host_full
from trifid.wire.bodies.monitoring import host_monitoring, vm_monitoring

VM_FIGURES = {
    "NETTX": 7,
    "CPU": 12.5,
    "MEMORY": 65536,
    "NETRX": 2**40,
    "DISKRDBYTES": 1,
    "DISKWRBYTES": 2,
    "DISKRDIOPS": 3,
    "DISKWRIOPS": 4,
}
HOST_FIGURES = {"FREE_CPU": 300, "USED_CPU": 100, "FREE_MEMORY": 1000, "USED_MEMORY": 24, "NETRX": 5, "NETTX": 6}


def test_samples_of_a_vm_follow_the_schema() -> None:
    document = "".join(vm_monitoring([(3, Sample(100, VM_FIGURES)), (3, Sample(130, {})), (4, Sample(1, {"CPU": 0}))]))
    tree = valid(document, "monitoring_data")
    assert [one.text for one in tree.iterfind("MONITORING/ID")] == ["3", "3", "4"]
    assert [one.text for one in tree.iterfind("MONITORING/TIMESTAMP")] == ["100", "130", "1"]
    first = tree.find("MONITORING")
    assert {name: float(first.findtext(name)) for name in VM_FIGURES} == VM_FIGURES


def test_averages_are_numbers_of_the_types_that_the_schema_has() -> None:
    tree = valid("".join(vm_monitoring([(3, Sample(0, {"CPU": 1e-7, "MEMORY": 1000.667}))])), "monitoring_data")
    assert tree.findtext("MONITORING/MEMORY") == "1001"
    assert tree.findtext("MONITORING/CPU") == "0"


def test_no_samples_are_an_empty_document() -> None:
    assert "".join(vm_monitoring([])) == "".join(host_monitoring([])) == "<MONITORING_DATA></MONITORING_DATA>"


def test_figures_of_own_probes_follow_and_cannot_pretend_to_be_others() -> None:
    document = "".join(vm_monitoring([(3, Sample(9, {"TEMPERATURE": 41.5, "ID": 99, "TIMESTAMP": 0}))]))
    inner = "<ID>3</ID><TIMESTAMP>9</TIMESTAMP><TEMPERATURE><![CDATA[41.5]]></TEMPERATURE>"
    assert document == f"<MONITORING_DATA><MONITORING>{inner}</MONITORING></MONITORING_DATA>"


def test_samples_of_a_host_are_as_in_its_own_document() -> None:
    (_, one, _) = host_monitoring([(5, Sample(100, HOST_FIGURES))])
    host = Host(id=5, name="node1", state=HostState.MONITORED, im="kvm", vmm="kvm")
    document = host_full(host, HostUsage())
    assert "<MONITORING></MONITORING>" in document
    valid(document.replace("<MONITORING></MONITORING>", one), "host")

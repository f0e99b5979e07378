"""How the libvirt driver moves machines, as far as that can be told without two hosts."""

import libvirt
import pytest
from msgspec.structs import replace

from tests.drivers.libvirt_cases import FewNames, vm_of
from trifid.core.template.model import template
from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.migration import is_alive, written_disks
from trifid.drivers.libvirt.migration_options import MigrationOptions
from trifid.drivers.libvirt.migration_watch import MIB, figures_of
from trifid.drivers.libvirt.options import parse_options
from trifid.drivers.libvirt.vm import VmDocument, parse_vm
from trifid.wire.action_data import ActionData
from trifid.wire.bodies.vm import vm_full

GIB = 1 << 30
DIRECTORY = "/srv/ds/0/12"
TWO_DISKS = [
    {"DISK_ID": "0", "TYPE": "FILE", "TARGET": "vda"},
    {"DISK_ID": "1", "TYPE": "CDROM", "TARGET": "hda"},
    {"DISK_ID": "3", "TYPE": "FS", "TARGET": "vdb", "READONLY": "NO"},
]
DOMAIN = f"""
<domain><devices>
  <disk device='disk'><source file='{DIRECTORY}/disk.0'/><target dev='vda'/></disk>
  <disk device='cdrom'><source file='{DIRECTORY}/disk.1'/><target dev='hda'/><readonly/></disk>
  <disk device='cdrom'><target dev='hdb'/></disk>
  <disk device='cdrom'><source file='{DIRECTORY}/disk.2'/><target dev='sda'/><readonly/></disk>
  <disk device='disk'><source file='{DIRECTORY}/disk.3'/><target dev='vdb'/></disk>
</devices></domain>
"""
DATA = ActionData(host="node1", migrate_host="node2", disk_target_path=DIRECTORY)


def document(wish: dict[str, str] | None = None) -> VmDocument:
    wishes = template(MIGRATION=wish) if wish else template()
    vm = replace(vm_of(template(CPU="1", MEMORY="64")), template=template(DISK=TWO_DISKS), user_template=wishes)
    return parse_vm(vm_full(vm, FewNames()))


def options(text: str) -> MigrationOptions:
    return parse_options(f"--uri qemu:///system {text}", "trifid-vmm-libvirt").migration


def test_a_migration_ends_by_itself_whatever_the_guest_does() -> None:
    found = options("")
    assert found.flags & libvirt.VIR_MIGRATE_AUTO_CONVERGE
    assert found.flags & libvirt.VIR_MIGRATE_LIVE and found.flags & libvirt.VIR_MIGRATE_ABORT_ON_ERROR
    assert not found.flags & libvirt.VIR_MIGRATE_POSTCOPY
    assert found.when_late == "abort"
    assert [found.limit_s(size) for size in (0, GIB, GIB + 1, 10 * GIB)] == [180.0, 180.0, 360.0, 1800.0]


def test_a_bandwidth_that_needs_more_than_the_time_there_is_gets_twice_what_it_needs() -> None:
    assert options("--migration-bandwidth 2 --migration-timeout 10").limit_s(GIB) == 1024.0
    assert options("--migration-bandwidth 1000 --migration-timeout 10").limit_s(GIB) == 10.0


def test_the_arguments_become_libvirts_flags_and_parameters() -> None:
    found = options("--migration-bandwidth 50 --migration-uri tcp://{host}-fast --migration-compressed")
    assert found.parameters("node2") == {
        libvirt.VIR_MIGRATE_PARAM_BANDWIDTH: 50,
        libvirt.VIR_MIGRATE_PARAM_URI: "tcp://node2-fast",
    }
    assert found.flags & libvirt.VIR_MIGRATE_COMPRESSED
    assert not options("--migration-no-converge").flags & libvirt.VIR_MIGRATE_AUTO_CONVERGE
    assert options("").parameters("node2") == {}


@pytest.mark.parametrize(
    "text",
    ["--migration-timeout 0", "--migration-bandwidth -1", "--migration-downtime 1e9", "--migration-when-late never"],
)
def test_an_argument_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(Failure, match=text.split()[0]):
        options(text)


def test_the_owner_may_say_what_only_his_guest_feels() -> None:
    told = options("").of(document({"MAX_DOWNTIME_MS": "50", "WHEN_LATE": "pause", "BANDWIDTH": "1"}))
    assert (told.max_downtime_ms, told.when_late, told.bandwidth_mib_s) == (50, "pause", 0)
    assert options("--migration-downtime 70").of(document()).max_downtime_ms == 70


@pytest.mark.parametrize("wish", [{"MAX_DOWNTIME_MS": "0"}, {"MAX_DOWNTIME_MS": "9" * 40}, {"WHEN_LATE": "abort"}])
def test_a_wish_that_cannot_be_is_refused_by_its_name(wish: dict[str, str]) -> None:
    with pytest.raises(Failure, match=f"MIGRATION/{next(iter(wish))}"):
        options("").of(document(wish))


def test_the_disks_that_come_along_are_those_that_the_guest_writes_to() -> None:
    assert written_disks(DOMAIN, document(), DATA) == ["vda", "vdb"]


def test_a_domain_with_other_disks_than_the_target_was_prepared_for_does_not_move() -> None:
    for changed in (
        DOMAIN.replace("<target dev='vdb'/>", "<target dev='vdb'/><readonly/>"),
        DOMAIN.replace("<target dev='hda'/><readonly/>", "<target dev='hda'/>"),
        DOMAIN.replace(f"{DIRECTORY}/disk.3", "/elsewhere/disk.3"),
    ):
        with pytest.raises(Failure, match=r"was prepared for .*disk\.0, .*disk\.3: move it cold"):
            written_disks(changed, document(), DATA)


def test_figures_tell_how_far_it_is_and_never_that_it_is_done() -> None:
    stats = {
        "data_total": 400 * MIB, "data_remaining": 100 * MIB, "memory_dirty_rate": 2560, "memory_page_size": 4096,
        "downtime": 300, "auto_converge_throttle": 20,
    }  # fmt: skip
    assert figures_of(stats, 30 * MIB).words() == {
        "PERCENT": 75, "LEFT_MIB": 100, "TOTAL_MIB": 400, "MIB_S": 30, "DIRTY_MIB_S": 10, "DOWNTIME_MS": 300,
        "THROTTLE": 20,
    }  # fmt: skip
    assert str(figures_of(stats, 30 * MIB)) == (
        "75 %, 100 of 400 MiB left, 30 MiB/s, the guest changes 10 MiB/s and is slowed down by 20 %"
    )
    assert figures_of({"data_total": MIB, "data_remaining": 0}).percent == 99
    assert figures_of({}).percent == 0


def test_what_goes_while_it_is_looked_at_is_not_alive() -> None:
    opened = libvirt.open("test:///default")
    xml = "<domain type='test'><name>arriving</name><memory>1024</memory><os><type>hvm</type></os></domain>"
    domain = opened.createXML(xml, 0)
    assert is_alive(domain)
    domain.destroy()
    assert not is_alive(domain)

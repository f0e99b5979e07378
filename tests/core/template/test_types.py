"""The kinds of values at their edges: what travels to drivers must be harmless there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trifid.core.template import types as t
from trifid.drivers.libvirt.disks import _BUS_OF_PREFIX
from trifid.drivers.tm.commands import MAKERS


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (t.CORES, ["1", "0.1", "1.", ".5", "65536"], ["0", "0.0", "-1", "1e3", "65537", "nan", "inf", " 1", "١"]),
        (t.MEMORY_MIB, ["1", "2147483648"], ["0", "2147483649", "1.5", "+1", "1 ", "9" * 5000]),
        (t.COUNT, ["0", "007"], ["-1", "", "1\n"]),
        (t.PORTS, ["80", "80,443", "80:90,100", "1, 2"], ["0:", "65536", "90:80", "1:99999", "80;", "a"]),
        (t.PATH, ["/a", "host:/a", "http://h/a?b=c", "ec2://x"], ["a", "/a b", "/a/../b", "..", "/a\n", "host:a"]),
        (t.PATHS, ["/a", "/a /b", "/a  http://h/b"], ["/a b", "/a /b/../c", "/a\t/b"]),
        (t.DEVICE, ["sda", "vdaa", "hda1", "xvdb"], ["s", "sd", "SDA", "sd a", "sda;x", "/dev/sda", "zzz", "sda\n"]),
        (t.DEVICE_PREFIX, ["sd", "xvd"], ["s", "SD", "zz", "sda"]),
        (t.BOOT, ["hd", "hd, network", "disk0,nic12"], ["hd,nic0", "disk", "hd,", "floppy", "disk0\n"]),
        (t.ARCHITECTURE, ["x86_64", "i686"], ["sparc", "X86_64", "x86-64"]),
        (t.FIRMWARE, ["UEFI", "bios", "/usr/share/OVMF/x.fd"], ["uefy", "/a/../b", "http://h/x.fd", "UEFI "]),
        (t.UUID, ["8D0C7A52-5d5b-4d5e-9f5c-3d7f1b1d2c11"], ["8d0c7a525d5b4d5e9f5c3d7f1b1d2c11", "x", "8d0c7a52-5d5b"]),
        (t.INTERFACE, ["br0", "eth0.100", "a" * 15], ["", "a" * 16, "-a", "br 0", "br0;x"]),
        (t.MAC, ["02:00:0A:00:00:01"], ["2:0:0:0:0:1", "02-00-0a-00-00-01", "02:00:0a:00:00:01:02"]),
        (t.IPV4, ["0.0.0.0", "255.255.255.255"], ["1.2.3", "1.2.3.4.5", "::1", "1.2.3.4/24", "01.2.3.4"]),
        (t.IPV6, ["::1", "fe80::1"], ["10.0.0.1", "fe80::1%eth0", "::1/64"]),
        (t.YES_NO, ["YES", "no", "Yes"], ["y", "true", "1", "yes "]),
        (t.NUMBER, ["1", "-1.5", ".5", "1."], ["1e3", "--1", ".", "-"]),
        (t.TOKEN, ["a", "q35-2.1+x"], ["", "-a", "a b", "a;b", "a$b"]),
    ],
    ids=lambda value: value.expected if isinstance(value, t.Type) else "",
)
def test_values_at_the_edge(kind, good, bad):
    assert [value for value in good if not kind.accepts(value)] == []
    assert [value for value in bad if kind.accepts(value)] == []


def test_what_may_be_named_is_what_the_drivers_make():
    assert set(t.FILE_SYSTEMS) == set(MAKERS)
    assert set(t.DISK_PREFIXES) == set(_BUS_OF_PREFIX)


BLANKS = " \t\n\r\x0b\x0c\x85\u2028\u00a0\0"
STRICT = [t.PATH, t.DEVICE, t.DEVICE_PREFIX, t.ROOT_DEVICE, t.INTERFACE, t.TOKEN, t.MAC, t.BOOT, t.LISTEN, t.PORT]


@given(
    st.sampled_from(STRICT),
    st.text(max_size=8),
    st.sampled_from(BLANKS),
    st.text(max_size=8),
)
def test_what_becomes_a_word_of_a_line_holds_no_blank(kind, before, blank, after):
    assert not kind.accepts(before + blank + after)
    assert not kind.accepts("/a" + blank)
    assert not kind.accepts("sda" + blank)


@given(st.sampled_from([value for value in vars(t).values() if isinstance(value, t.Type)]), st.text())
def test_every_type_answers_for_every_text(kind, value):
    assert kind.accepts(value) in (True, False)

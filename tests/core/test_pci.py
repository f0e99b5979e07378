"""PCI devices: how they are told, and which wish gets which."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trifid.core.pci import (
    Device,
    address_parts,
    check_devices,
    choose,
    described_devices,
    devices_of,
    full_address,
    match,
    wish_of,
)
from trifid.core.template.model import template
from trifid.errors import BadTemplate, Refused

GPU, OTHER_GPU = Device("10de", "1eb8", "0302", "0000:3b:00.0"), Device("10de", "1eb8", "0302", "0000:af:00.0")
NIC = Device("8086", "1520", "0200", "0001:3b:00.0")
HOST = {device.address: device for device in (GPU, OTHER_GPU, NIC)}


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("0000:3B:00.0", "0000:3b:00.0"),
        ("3b:00.0", "0000:3b:00.0"),
        ("0001:3b:00:7", "0001:3b:00.7"),
        ("3b:00.8", ""),
        ("10000:3b:00.0", ""),
        ("", ""),
    ],
)
def test_an_address_has_one_form(text, full):
    assert full_address(text) == full


def test_an_address_is_told_in_parts():
    parts = {"DOMAIN": "0001", "BUS": "3b", "SLOT": "1f", "FUNCTION": "7"}
    assert address_parts("0001:3b:1f.7") == {"ADDRESS": "0001:3b:1f.7", "SHORT_ADDRESS": "3b:1f.7", **parts}


def test_a_device_is_told_by_its_type_or_by_the_parts_of_it():
    by_type = {"TYPE": "10de:1eb8:0302", "ADDRESS": "0000:3b:00:0"}
    by_parts = {"VENDOR": "0x10DE", "DEVICE": "1EB8", "CLASS": "302", "SHORT_ADDRESS": "af:00.0"}
    told = template(PCI=[by_parts, by_type, {"VENDOR": "10de"}])
    assert devices_of(told) == {GPU.address: GPU, OTHER_GPU.address: OTHER_GPU}
    described = described_devices(told)
    assert [one["TYPE"] for one in described.values()] == ["10de:1eb8:0302"] * 2
    assert described[GPU.address]["BUS"] == "3b"


@pytest.mark.parametrize(
    ("vector", "why"),
    [
        ({"TYPE": "10de:1eb8:0302"}, "PCI 1: a device of a host needs an ADDRESS like 0000:3b:00.0"),
        ({"VENDOR": "10de", "ADDRESS": "3b:00.0"}, "PCI 1 \\(0000:3b:00.0\\): .* VENDOR, DEVICE and CLASS, or a TYPE"),
    ],
)
def test_a_device_that_could_not_be_given_away_is_refused(vector, why):
    good = {"TYPE": "10de:1eb8:0302", "ADDRESS": "af:00.0"}
    check_devices(template(PCI=[good]))
    with pytest.raises(BadTemplate, match=why):
        check_devices(template(PCI=[good, vector]))


@pytest.mark.parametrize(
    ("wish", "suiting"),
    [
        ({}, [GPU, OTHER_GPU, NIC]),
        ({"VENDOR": "10DE"}, [GPU, OTHER_GPU]),
        ({"VENDOR": "8086", "DEVICE": "0x1520", "CLASS": "200"}, [NIC]),
        ({"VENDOR": "8086", "CLASS": "0302"}, []),
        ({"SHORT_ADDRESS": "3b:00.0"}, [GPU, NIC]),
        ({"SHORT_ADDRESS": "0001:3b:00.0"}, [NIC]),
        ({"ADDRESS": "3b:00.0"}, [GPU]),
        ({"ADDRESS": "0000:af:00.0", "VENDOR": "10de"}, [OTHER_GPU]),
    ],
)
def test_what_a_wish_names_must_all_be_so(wish, suiting):
    assert [device for device in HOST.values() if device.suits(wish_of(wish))] == suiting


def test_a_wish_that_is_easily_met_leaves_the_one_device_to_who_needs_it():
    any_gpu, this_one = Device(vendor="10de"), Device(address="3b:00.0")
    assert match([any_gpu, this_one], [GPU, OTHER_GPU]) == [OTHER_GPU, GPU]
    assert match([any_gpu] * 3, [GPU, OTHER_GPU]) == [GPU, OTHER_GPU, None]


def test_a_device_of_before_comes_before_others():
    any_gpu = Device(vendor="10de")
    assert match([any_gpu], [GPU, OTHER_GPU], [OTHER_GPU.address]) == [OTHER_GPU]
    assert match([any_gpu, any_gpu], [GPU, OTHER_GPU], [OTHER_GPU.address, GPU.address]) == [OTHER_GPU, GPU]


DEVICES = st.builds(Device, st.sampled_from("ab"), st.sampled_from("xy"), st.just("c"), st.sampled_from("1234"))
WISHES = st.builds(Device, st.sampled_from(["", "a", "b"]), st.sampled_from(["", "x", "y"]))


@given(st.lists(WISHES, max_size=4), st.sets(DEVICES, max_size=4), st.lists(st.sampled_from("1234"), max_size=4))
def test_all_wishes_are_met_whenever_that_is_possible(wishes, free, preferred):
    given_away = match(wishes, sorted(free, key=str), preferred)
    met = [(wish, device) for wish, device in zip(wishes, given_away, strict=True) if device is not None]
    assert all(device.suits(wish) for wish, device in met)
    assert len({device for _, device in met}) == len(met)
    places = [*free, *[None] * len(wishes)]
    best = max(
        sum(d is not None and d.suits(w) for w, d in zip(wishes, order, strict=True))
        for order in permutations(places, len(wishes))
    )
    assert len(met) == best


@pytest.mark.parametrize(
    ("wishes", "taken", "why"),
    [
        (
            [Device("10de", "1eb8")],
            {GPU.address: 4, OTHER_GPU.address: 7},
            "Unavailable PCI device. Host node1 [3] has none left for PCI 0 (10de:1eb8): of 2 such "
            "VM 4 has 0000:3b:00.0, VM 7 has 0000:af:00.0: choose another host",
        ),
        (
            [Device("10de"), Device("10de")],
            {OTHER_GPU.address: 7},
            "Unavailable PCI device. Host node1 [3] has none left for PCI 1 (10de:*): of 2 such VM 7 has 0000:af:00.0, "
            "the VM's other PCI take the rest: choose another host",
        ),
        (
            [Device("1002", "", "0302")],
            {},
            "Unavailable PCI device. Host node1 [3] has none left for PCI 0 (1002:*:0302): "
            "none of its 3 is such a device: choose another host",
        ),
    ],
)
def test_a_refusal_tells_which_one_how_many_there_are_and_who_has_them(wishes, taken, why):
    with pytest.raises(Refused) as refused:
        choose("node1 [3]", wishes, HOST, taken, ())
    assert refused.value.message == why


def test_a_host_that_tells_of_no_device_says_so():
    with pytest.raises(Refused, match=r"PCI 0 \(of any kind\): it tells of no PCI device at all: choose another host"):
        choose("node1 [3]", [Device()], {}, {}, ())

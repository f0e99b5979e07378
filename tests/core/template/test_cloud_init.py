"""The seed for cloud-init: what is told of a CONTEXT, and that it is YAML."""

import base64
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trifid.core.template.cloud_init import seed_files, seed_target, wants_seed
from trifid.errors import BadTemplate

GOLDEN = Path(__file__).parent / "golden" / "cloud_init"
CONTEXT = {
    "NETWORK": "YES",
    "SET_HOSTNAME": "web1",
    "SSH_PUBLIC_KEY": "ssh-ed25519 AAAAone me@home\n# a comment\n\nssh-rsa AAAAtwo me@work\n",
    "START_SCRIPT": 'echo it\'s "up" > /run/up\n',
    "ETH0_MAC": "02:00:0A:00:00:01",
    "ETH0_IP": "10.0.0.1",
    "ETH0_MASK": "255.255.255.0",
    "ETH0_GATEWAY": "10.0.0.254",
    "ETH0_METRIC": "100",
    "ETH0_DNS": "10.0.0.53 10.0.0.54",
    "ETH0_SEARCH_DOMAIN": "example.org",
    "ETH0_MTU": "1400",
    "ETH0_ROUTES": "172.16.0.0/12 via 10.0.0.253, 192.168.0.0/16 via 10.0.0.252",
    "ETH0_IP6": "2001:db8::1",
    "ETH0_IP6_ULA": "fd00::1",
    "ETH0_IP6_PREFIX_LENGTH": "48",
    "ETH0_IP6_GATEWAY": "2001:db8::ffff",
    "ETH0_ALIAS0_IP": "10.0.0.101",
    "ETH0_ALIAS0_MASK": "255.255.0.0",
    "ETH0_ALIAS1_IP6": "2001:db8::101",
    "ETH1_MAC": "02:00:0a:00:01:01",
    "ETH1_METHOD": "dhcp",
    "ETH2_MAC": "02:00:0a:00:02:01",
    "ETH2_METHOD": "skip",
    "ETH10_IP": "10.9.0.1",
}
NICS = [{"NIC_ID": "10", "MAC": "02:00:0a:09:00:01"}]


def seed(context, nics=()):
    return seed_files(context, nics, instance_id="one-42", name="my VM_1")


def config(files, name):
    return json.loads(files[name])


def ethernets(context, nics=()):
    return config(seed(context, nics), "network-config")["ethernets"]


# -- whether, and where ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("context", "wanted"),
    [
        ({}, False),
        ({"HOSTNAME": "web1", "FILES": "/srv/init.sh"}, False),
        ({"NETWORK": "YES"}, True),
        ({"NETWORK": "no"}, False),
        ({"SSH_PUBLIC_KEY": "ssh-rsa A"}, True),
        ({"SSH_PUBLIC_KEY": ""}, False),
        ({"START_SCRIPT_BASE64": "ZQ=="}, True),
        ({"USER_DATA": "#cloud-config"}, True),
        ({"CLOUD_INIT": "yes"}, True),
        ({"CLOUD_INIT": "NO", "NETWORK": "YES"}, False),
    ],
)
def test_a_seed_is_made_of_a_context_that_cloud_init_can_do_something_about(context, wanted):
    assert wants_seed(context) is wanted


def test_the_cd_takes_what_others_leave():
    assert seed_target([]) == "hda"
    assert seed_target(["hda", "vda", "hdb"]) == "hdc"
    assert seed_target(["hda", "hdb", "hdc", "hdd", "sda"]) == "sdb", "IDE has no fifth device"


# -- the files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["meta-data", "user-data", "vendor-data", "network-config"])
def test_the_files_are_as_they_were(name):
    """TRIFID_GOLDEN=1 writes them; look at the difference, and let cloud-init check them."""
    text = seed(CONTEXT, NICS)[name]
    if os.environ.get("TRIFID_GOLDEN") == "1":
        GOLDEN.mkdir(parents=True, exist_ok=True)
        (GOLDEN / name).write_bytes(text)
    assert text == (GOLDEN / name).read_bytes()


def test_a_vm_that_says_nothing_has_its_own_name_and_no_network_config():
    files = seed({})
    assert set(files) == {"meta-data", "user-data"}
    assert config(files, "meta-data") == {"instance-id": "one-42", "local-hostname": "my-VM-1"}
    assert files["user-data"].startswith(b"#cloud-config\n")


def test_user_data_are_handed_on_as_they_are():
    script = b"#!/bin/sh\necho $HOME\n"
    gzipped = b"\x1f\x8b\x08\x00rest"
    assert seed({"USER_DATA": script.decode()})["user-data"] == script
    encoded = {"USER_DATA": base64.encodebytes(gzipped).decode(), "USER_DATA_ENCODING": "base64"}
    assert seed(encoded)["user-data"] == gzipped
    assert seed({"USERDATA": "ZQ==", "USERDATA_ENCODING": "base64"})["user-data"] == b"e"


def test_user_data_leave_the_start_script_and_the_keys_in_place():
    both = seed({**CONTEXT, "USER_DATA": "#cloud-config\nruncmd: [ls]\n"}, NICS)
    alone = seed(CONTEXT, NICS)
    assert both["user-data"] == b"#cloud-config\nruncmd: [ls]\n"
    assert (both["vendor-data"], both["meta-data"]) == (alone["vendor-data"], alone["meta-data"])


@pytest.mark.parametrize(
    ("context", "script"),
    [
        ({"START_SCRIPT": "echo it's\necho END\n"}, b"#!/bin/sh\necho it's\necho END\n"),
        ({"START_SCRIPT": "#!/usr/bin/python3\n1\n"}, b"#!/usr/bin/python3\n1\n"),
        ({"START_SCRIPT_BASE64": base64.b64encode(b"echo \xff $1").decode()}, b"#!/bin/sh\necho \xff $1"),
        ({"START_SCRIPT_BASE64": "ZQ==", "START_SCRIPT": "no"}, b"#!/bin/sh\ne"),
    ],
)
def test_a_start_script_becomes_one_of_those_that_run_at_each_boot(context, script, tmp_path):
    hook = seed(context)["vendor-data"].decode()
    assert hook.startswith("#cloud-boothook\n#!/bin/sh\n")
    here = hook.replace("/var/lib/cloud", str(tmp_path))
    for _ in range(2):
        subprocess.run(["sh", "-e"], input=here, text=True, check=True)
    placed = tmp_path / "scripts" / "per-boot" / "start-script"
    assert placed.read_bytes() == script
    assert placed.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"START_SCRIPT_BASE64": "echo hello"}, "START_SCRIPT_BASE64 must be base64"),
        ({"USER_DATA": "#!", "USER_DATA_ENCODING": "base64"}, "USER_DATA must be base64"),
        ({"ETH0_MAC": "02:00:00:00:00:01", "ETH0_IP": "10.0.0.300"}, "ETH0_IP: .*10.0.0.300"),
        ({"ETH0_MAC": "02:00:00:00:00:01", "ETH0_IP": "10.0.0.3", "ETH0_MASK": "255.0.255.0"}, "ETH0_IP: "),
        ({"ETH0_MAC": "02:00:00:00:00:01", "ETH0_MTU": "big"}, "ETH0_MTU must be a number, is big"),
    ],
)
def test_what_cannot_be_told_is_refused_by_its_name(context, message):
    with pytest.raises(BadTemplate, match=f"^CONTEXT: {message}"):
        seed(context)


# -- addresses ---------------------------------------------------------------------------------------


def test_interfaces_are_found_by_their_mac_address():
    found = ethernets(CONTEXT, NICS)
    assert list(found) == ["eth0", "eth1", "eth10"], "METHOD=skip leaves one to its guest"
    assert found["eth0"]["match"] == {"macaddress": "02:00:0a:00:00:01"}
    assert found["eth10"]["match"] == {"macaddress": "02:00:0a:09:00:01"}, "its MAC is that of the NIC"
    assert found["eth0"]["set-name"] == "eth0"


def test_an_interface_without_any_mac_address_is_left_out():
    assert "network-config" not in seed({"ETH0_IP": "10.0.0.1"})


def test_addresses_of_one_interface_stand_together():
    assert ethernets(CONTEXT)["eth0"]["addresses"] == [
        "10.0.0.1/24",
        "2001:db8::1/48",
        "fd00::1/48",
        "10.0.0.101/16",
        "2001:db8::101/64",
    ]


def test_the_ways_out():
    one = ethernets(CONTEXT)["eth0"]
    assert one["routes"] == [
        {"to": "0.0.0.0/0", "via": "10.0.0.254", "metric": 100},
        {"to": "172.16.0.0/12", "via": "10.0.0.253"},
        {"to": "192.168.0.0/16", "via": "10.0.0.252"},
    ]
    assert one["gateway6"] == "2001:db8::ffff"
    costly = ethernets({**CONTEXT, "ETH0_IP6_METRIC": "50"})["eth0"]
    assert {"to": "::/0", "via": "2001:db8::ffff", "metric": 50} in costly["routes"]
    assert "gateway6" not in costly


def test_an_interface_asks_for_its_address_when_it_is_told_to():
    mac = {"ETH0_MAC": "02:00:0a:00:00:01", "ETH0_IP": "10.0.0.1", "ETH0_IP6": "2001:db8::1"}
    dhcp = ethernets({**mac, "ETH0_METHOD": "dhcp", "ETH0_IP6_METHOD": "auto"})["eth0"]
    assert (dhcp["dhcp4"], dhcp["dhcp6"], dhcp["accept-ra"]) == (True, False, True)
    assert "addresses" not in dhcp
    static = ethernets(mac)["eth0"]
    assert (static["dhcp4"], static["dhcp6"]) == (False, False)
    assert "accept-ra" not in static


# -- the form ----------------------------------------------------------------------------------------


YAML = re.compile("[\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*")
"""What YAML takes as it is; U+2028 and U+2029 would end a line in it."""


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
@example("\x7f\x85\u2028\ufeff\U0001f600")
def test_any_text_survives_and_is_yaml(text):
    told = seed({"SET_HOSTNAME": f"x{text}"})["meta-data"].decode()
    assert json.loads(told)["local-hostname"] == f"x{text}"
    assert YAML.fullmatch(told)

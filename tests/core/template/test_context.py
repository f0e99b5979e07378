"""Contextualization: references replaced, and a file that means the same to a shell."""

import base64
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.template.strategies import VALUES, VECTORS
from trifid.core.template.context import REFERENCES_MAX, context_sh, substitute, with_nics_told
from trifid.core.template.model import template
from trifid.core.template.xml import to_xml
from trifid.errors import BadTemplate

NETWORKS = {
    ("NAME", "Public LAN", "DNS"): "130.10.0.53",
    ("NETWORK_ID", "4", "NETWORK_MASK"): "255.255.255.0",
    ("NETWORK_ID", "4", "IP"): "the network's own, never a NIC's",
}


def network_attribute(key, value, attribute):
    return NETWORKS.get((key, value, attribute), "")


USER = {"SSH_PUBLIC_KEY": "ssh-rsa AAAA me", "EMAIL": "me@example.org"}
IMAGES = {
    ("IMAGE_ID", "3", "ROOT_PASS"): "three",
    ("IMAGE_ID", "4", "ROOT_PASS"): "four",
    ("IMAGE", "debian", "ROOT_PASS"): "another debian",
    ("IMAGE", "other", "ROOT_PASS"): "the other",
}


def image_attribute(key, value, attribute):
    return IMAGES.get((key, value, attribute), "")


def filled(context, values=None, user=None, endpoint="", **more):
    return substitute(
        template({"CONTEXT": context, **more}),
        user or template(),
        values or {},
        network_attribute,
        user_attribute=lambda attribute: USER.get(attribute, ""),
        image_attribute=image_attribute,
        onegate_endpoint=endpoint,
    )


def value_of(text, **more):
    return filled({"X": text}, **more)["X"]


NICS = [{"IP": "10.0.0.1", "NETWORK": "Private LAN"}, {"IP": "130.10.0.2", "NETWORK": "Public LAN"}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$NAME", "web"),
        ("$name-$vmid", "web-42"),
        ("$CPU", "1"),
        ("$OWN", "mine"),
        ("$NOSUCH|", "|"),
        ("$", "$"),
        ("$$", "$$"),
        ("a$1b", "a$1b"),
        ("$NIC[IP]", "10.0.0.1"),
        ("$nic[ ip ]", "10.0.0.1"),
        ('$NIC[IP, NETWORK="Public LAN"]', "130.10.0.2"),
        ('$NIC[IP,NETWORK="nowhere"]', ""),
        ("$NIC[NOSUCH]", ""),
        ("$NOSUCH[IP]", ""),
        ("$OWNVEC[K]", "v"),
        ('$NETWORK[DNS, NAME="Public LAN"]', "130.10.0.53"),
        ('$NETWORK[DNS, NAME="nowhere"]', ""),
        ("ip=$NIC[IP];", "ip=10.0.0.1;"),
        ("$NAME$NAME", "webweb"),
        ("$NAMELESS", ""),
    ],
)
def test_what_references_come_to(text, expected):
    user = template(OWN="mine", OWNVEC={"K": "v"})
    assert value_of(text, values={"NAME": "web", "VMID": "42"}, user=user, CPU="1", NIC=NICS) == expected


DISKS = [{"TYPE": "swap"}, {"IMAGE": "debian", "IMAGE_ID": "3"}, {"IMAGE": "data", "IMAGE_ID": "4"}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$USER[SSH_PUBLIC_KEY]", "ssh-rsa AAAA me"),
        ("$user[ email ]", "me@example.org"),
        ("$USER[NOSUCH]", ""),
        ("$IMAGE[ROOT_PASS]", "three"),
        ('$IMAGE[ROOT_PASS, IMAGE="data"]', "four"),
        ('$IMAGE[ROOT_PASS, IMAGE="debian"]', "three"),
        ('$IMAGE[ROOT_PASS, IMAGE="other"]', "the other"),
        ('$IMAGE[ROOT_PASS, IMAGE_ID="4"]', "four"),
        ("$IMAGE[ROOT_PASS, IMAGE_ID=4]", "four"),
        ("$IMAGE[NOSUCH]", ""),
        ('$IMAGE[ROOT_PASS, IMAGE="nosuch"]', ""),
        ('$IMAGE[ROOT_PASS, SIZE="1"]', ""),
        ("$NETWORK[NETWORK_MASK, NETWORK_ID=4]", "255.255.255.0"),
    ],
)
def test_what_is_known_of_the_owner_and_of_images(text, expected):
    assert value_of(text, DISK=DISKS) == expected


def test_an_image_is_not_asked_for_where_no_disk_has_one():
    assert value_of("$IMAGE[ROOT_PASS]", DISK=[{"SOURCE": "/a"}]) == ""


def test_files_of_the_catalogue_stay_references():
    files = '$FILE[IMAGE="init.sh"] $FILE[IMAGE_ID=3]'
    assert filled({"FILES_DS": files})["FILES_DS"] == files
    with pytest.raises(BadTemplate, match=r'CONTEXT FILES_DS: expected \$FILE\[IMAGE="name"\]'):
        filled({"FILES_DS": "/etc/passwd"})
    with pytest.raises(BadTemplate, match=r"CONTEXT X: \$FILE\[IMAGE=.* is a file, it belongs into FILES_DS"):
        value_of('$FILE[IMAGE="init.sh"]')


def test_init_scripts_are_names_of_files():
    assert filled({"INIT_SCRIPTS": "one.sh two.py"})["INIT_SCRIPTS"] == "one.sh two.py"
    for name in ("/bin/sh", "../up.sh", "-x", "dir/one.sh"):
        with pytest.raises(BadTemplate, match=r"CONTEXT INIT_SCRIPTS: .* is no name of a file"):
            filled({"INIT_SCRIPTS": f"one.sh {name}"})


def test_a_guest_is_told_where_to_report_when_there_is_such_a_place():
    assert "ONEGATE_ENDPOINT" not in filled({"TOKEN": "YES"})
    assert "ONEGATE_ENDPOINT" not in filled({"TOKEN": "NO"}, endpoint="http://gate:5030")
    context = filled({"TOKEN": "yes", "REPORT_READY": "YES"}, endpoint="http://gate:5030")
    assert context["ONEGATE_ENDPOINT"] == "http://gate:5030"
    assert "ONEGATE_TOKEN" not in context


def test_what_cloud_init_could_not_be_told_is_refused_at_once():
    with pytest.raises(BadTemplate, match="START_SCRIPT_BASE64 must be base64"):
        filled({"START_SCRIPT_BASE64": "echo hello", "CLOUD_INIT": "NO"})
    with pytest.raises(BadTemplate, match="ETH0_IP"):
        filled({"ETH0_IP": "no address", "NETWORK": "YES"}, NIC=[{"MAC": "02:00:00:00:00:01"}])


def test_a_script_with_brackets_is_told_where_it_belongs():
    with pytest.raises(BadTemplate, match="goes into START_SCRIPT_BASE64"):
        filled({"START_SCRIPT": "echo $A[@]"})


def test_the_result_of_a_replacement_is_not_replaced_again():
    assert value_of("$A", user=template(A="$B", B="no")) == "$B"


def test_the_template_itself_comes_as_base64():
    one = template(CONTEXT={"X": "$TEMPLATE"}, CPU="1")
    found = substitute(one, template(), {}, network_attribute)["X"]
    assert base64.b64decode(found).decode() == to_xml(one)


@pytest.mark.parametrize("text", ["$NIC[]", "$NIC[IP", "$NIC[IP, NETWORK=x]", "$NIC[IP NETWORK]", "$NIC[a b]"])
def test_a_malformed_reference_is_refused_with_its_form(text):
    with pytest.raises(
        BadTemplate, match=r'^CONTEXT X: expected \$NIC\[KEY\] or \$NIC\[KEY, KEY="value"\], found \$NIC\['
    ):
        value_of(text)


def test_references_cannot_blow_a_context_up():
    with pytest.raises(BadTemplate, match="CONTEXT X: at most 1000 references are replaced"):
        value_of("$A" * (REFERENCES_MAX + 1))
    with pytest.raises(BadTemplate, match="CONTEXT X: at most 1000 references are replaced, by at most 1048576"):
        value_of("$A" * 900, user=template(A="x" * 2000))


def test_files_are_checked_when_they_are_known():
    assert filled({"FILES": "$DIR/a"}, user=template(DIR="/srv"))["FILES"] == "/srv/a"
    with pytest.raises(BadTemplate, match="CONTEXT: FILES must be paths"):
        filled({"FILES": "$DIR/a"}, user=template(DIR="relative"))
    with pytest.raises(BadTemplate, match="CONTEXT: TARGET must be a device name"):
        filled({"TARGET": "$T"}, user=template(T="/dev/sda"))


def test_network_yes_tells_the_guest_about_its_nics():
    nic = {"NIC_ID": "3", "IP": "10.0.0.1", "MAC": "02:00:0a:00:00:01", "NETWORK_ID": "4", "GATEWAY": "10.0.0.254"}
    context = filled({"NETWORK": "yes", "ETH3_DNS": "mine"}, NIC=[nic, {"NETWORK_ID": "4"}])
    assert context == {
        "NETWORK": "yes",
        "ETH3_IP": "10.0.0.1",
        "ETH3_MAC": "02:00:0a:00:00:01",
        "ETH3_MASK": "255.255.255.0",
        "ETH3_GATEWAY": "10.0.0.254",
        "ETH3_DNS": "mine",
        "ETH1_MASK": "255.255.255.0",
    }


def test_network_yes_tells_of_aliases_too():
    nics = [{"NIC_ID": "0", "NAME": "public", "IP": "10.0.0.1"}, {"NIC_ID": "2", "IP": "10.0.1.1"}]
    aliases = [
        {"PARENT": "NIC2", "IP": "10.0.1.101", "NETWORK_ID": "4"},
        {"PARENT": "public", "IP": "10.0.0.101"},
        {"PARENT_ID": "2", "ALIAS_ID": "5", "IP6": "2001:db8::1", "PREFIX_LENGTH": "48"},
        {"PARENT": "nowhere", "IP": "10.0.9.9"},
    ]
    context = filled({"NETWORK": "YES"}, NIC=nics, NIC_ALIAS=aliases)
    assert {key: value for key, value in context.items() if "ALIAS" in key} == {
        "ETH2_ALIAS0_IP": "10.0.1.101",
        "ETH2_ALIAS0_MASK": "255.255.255.0",
        "ETH0_ALIAS0_IP": "10.0.0.101",
        "ETH2_ALIAS5_IP6": "2001:db8::1",
        "ETH2_ALIAS5_IP6_PREFIX_LENGTH": "48",
    }


def test_a_nic_with_ipv6_is_told_whole():
    nic = {
        "MAC": "02:00:0a:00:00:01",
        "IP6_GLOBAL": "2001:db8::1",
        "IP6_ULA": "fd00::1",
        "GATEWAY6": "2001:db8::ffff",
        "PREFIX_LENGTH": "48",
        "IP6_METHOD": "static",
    }
    assert filled({"NETWORK": "YES"}, NIC=[nic]) == {
        "NETWORK": "YES",
        "ETH0_MAC": "02:00:0a:00:00:01",
        "ETH0_IP6": "2001:db8::1",
        "ETH0_IP6_ULA": "fd00::1",
        "ETH0_IP6_GATEWAY": "2001:db8::ffff",
        "ETH0_IP6_PREFIX_LENGTH": "48",
        "ETH0_IP6_METHOD": "static",
    }


def test_devices_that_a_guest_has_to_find_are_told():
    found = filled(
        {"NETWORK": "YES"},
        PCI=[{"TYPE": "NIC", "VM_ADDRESS": "01:01.0"}, {"VENDOR": "10de"}],
        DISK=[{"DISK_ID": "2", "MOUNT_TAG": "data", "MOUNT_POINT": "/srv"}],
    )
    assert found == {
        "NETWORK": "YES",
        "PCI0_ADDRESS": "01:01.0",
        "DISK2_MOUNT_TAG": "data",
        "DISK2_MOUNT_POINT": "/srv",
    }


def test_without_network_yes_nothing_is_added():
    assert filled({"A": "1"}, NIC=NICS) == {"A": "1"}


# -- the file ----------------------------------------------------------------------------------------


def test_the_file_is_sorted_and_quoted():
    text = context_sh({"B": "it's", "a": "1"})
    assert text == "# Context variables generated by OpenNebula\nA='1'\nB='it'\\''s'\n"


@pytest.mark.parametrize("name", ["", "A B", "A;reboot", "1A", "A=B", "$A", "É"])
def test_what_cannot_name_a_variable_is_refused(name):
    with pytest.raises(BadTemplate, match="cannot name a shell variable"):
        context_sh({name: "1"})


def test_a_nul_is_refused():
    with pytest.raises(BadTemplate, match="CONTEXT: A holds a NUL character"):
        context_sh({"A": "x\0y"})


HOSTILE = st.sampled_from(["$(reboot)", "`id`", "${A}", "';id;'", "\\'", "\\n", "'\\''", "\x81\x82"])
SHELL_VALUES = st.lists(VALUES | HOSTILE, max_size=4).map("".join)
CONTEXTS = st.dictionaries(st.from_regex(r"T_[A-Z0-9_]{0,4}", fullmatch=True), SHELL_VALUES, min_size=1, max_size=8)


SHELLS = [shell for shell in (["sh"], ["busybox", "sh"], ["bash"]) if shutil.which(shell[0])]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@settings(max_examples=60, deadline=None)
@given(contexts=st.lists(CONTEXTS, min_size=1, max_size=4))
def test_a_shell_reads_the_very_same_values(shell, contexts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("context")
    script, wanted = [], []
    for number, context in enumerate(contexts):
        (folder / f"{number}.sh").write_text(context_sh(context), encoding="utf-8", newline="")
        for name, value in sorted(context.items()):
            script.append(f'(. ./{number}.sh; printf "%s\\0" "${name}")')
            wanted.append(value)
    done = subprocess.run([*shell, "-ec", "\n".join(script)], cwd=folder, capture_output=True, check=True)
    assert done.stderr == b""
    assert done.stdout.decode("utf-8").split("\0")[:-1] == wanted


@given(VECTORS, VECTORS)
@settings(deadline=None)
def test_any_context_is_filled_or_refused(context, user):
    try:
        filled(context, user=template(user), NIC=NICS)
    except BadTemplate as refusal:
        assert refusal.message.startswith("CONTEXT")


AUTO = {"NIC_ID": "0", "NETWORK_MODE": "auto", "METHOD": "static"}
GOT = AUTO | {"NETWORK_ID": "4", "IP": "10.0.0.7", "MAC": "02:00:0a:00:00:07"}


def test_what_is_said_of_a_nic_waits_until_it_has_its_network():
    context = {"A": "$NAME at $nic[IP]", "NETWORK": "YES"}
    waiting = filled(context, {"NAME": "web"}, NIC=[AUTO, {"NIC_ID": "1", "IP": "10.0.0.1"}])
    assert waiting == {"A": "web at $nic[IP]", "NETWORK": "YES", "ETH1_IP": "10.0.0.1"}
    told = with_nics_told(template(CONTEXT=waiting, NIC=[GOT]), network_attribute, name="web")
    assert (told["A"], told["ETH0_IP"], told["ETH0_MASK"]) == ("web at 10.0.0.7", "10.0.0.7", "255.255.255.0")


def test_what_was_filled_in_before_is_text_and_not_looked_at_again():
    waiting = filled({"A": "$FOO"}, user=template(FOO="$USER[EMAIL] $NAME"), NIC=AUTO)
    told = with_nics_told(template(CONTEXT=waiting, NIC=GOT), network_attribute, name="web")
    assert told["A"] == "$USER[EMAIL] $NAME"


def test_a_wrong_reference_to_a_nic_is_refused_before_it_has_its_network():
    with pytest.raises(BadTemplate, match="expected"):
        filled({"A": "$NIC[IP, b]"}, NIC=AUTO)


def test_the_addresses_of_a_seed_are_looked_at_when_they_are_known():
    other = {"NIC_ID": "1", "MAC": "02:00:0a:00:00:01"}
    context = {"CLOUD_INIT": "YES", "ETH1_IP": "$NIC[IP]", "ETH1_MAC": other["MAC"]}
    waiting = filled(context, NIC=[AUTO, other])
    told = with_nics_told(template(CONTEXT=waiting, NIC=[GOT, other]), network_attribute, name="web")
    assert told["ETH1_IP"] == "10.0.0.7"
    with pytest.raises(BadTemplate):
        with_nics_told(template(CONTEXT=waiting, NIC=[GOT | {"IP": "nowhere"}, other]), network_attribute, name="web")

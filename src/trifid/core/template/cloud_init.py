"""What cloud-init is told: the files of a NoCloud seed, made of the same CONTEXT as context.sh.

A guest with cloud-init and no package of ours gets its name, keys, addresses and START_SCRIPT from them.
docs/decisions/0015-cloud-init-reads-a-cd-of-its-own.md tells why they are on a CD of their own.
Source: cloud-init's manual, "NoCloud" (files and label), "Network config version 2".
"""

import base64
import binascii
import ipaddress
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from trifid.errors import BadTemplate

LABEL = "cidata"
"""Of the file system; older versions of cloud-init want it in small letters."""
PER_BOOT = "/var/lib/cloud/scripts/per-boot"
"""cloud-init runs what is in it at each boot, once the network is up."""

_TELLING = ("SSH_PUBLIC_KEY", "START_SCRIPT", "START_SCRIPT_BASE64", "SET_HOSTNAME", "USER_DATA", "USERDATA")
"""Variables that cloud-init can do something about."""
_IDE_DEVICES = 4
_ETH = re.compile(r"ETH([0-9]{1,4})_[A-Z0-9_]+")
_ALIAS = re.compile(r"(ETH[0-9]{1,4}_ALIAS[0-9]{1,4})_IP6?")
_NO_YAML = re.compile("[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
"""Characters that JSON takes as they are and YAML does not."""
_DEFAULT_MASK = "255.255.255.0"
_DEFAULT_PREFIX6 = "64"

Config = dict[str, Any]
"""What becomes YAML."""


def wants_seed(context: Mapping[str, str]) -> bool:
    """Tell whether a VM gets a CD for cloud-init: CLOUD_INIT=YES or NO, else when CONTEXT tells what it acts upon."""
    if said := context.get("CLOUD_INIT", "").upper():
        return said == "YES"
    return context.get("NETWORK", "").upper() == "YES" or any(context.get(key) for key in _TELLING)


def seed_target(taken: Collection[str]) -> str:
    """Return a device name for that CD: hda … hdd while there is one, then one of sda … (SCSI).

    Args:
        taken: TARGETs of all other devices: the last one to choose leaves their names as they are.
    """
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = [f"hd{letter}" for letter in letters[:_IDE_DEVICES]]
    names += [f"sd{first}{second}" for first in ("", *letters) for second in letters]
    return next(name for name in names if name not in taken)


def seed_files(
    context: Mapping[str, str], nics: Sequence[Mapping[str, str]], *, instance_id: str, name: str
) -> dict[str, bytes]:
    """Return the files of a seed by name: user-data, meta-data, and where they tell something vendor-data
    and network-config.

    What we tell is in meta-data and vendor-data, so that USER_DATA of the user can be anything and stays
    as it is.

    Args:
        context: CONTEXT with its references replaced and NETWORK=YES carried out.
        nics: of the VM, for MAC addresses where no ETHi_MAC tells them.
        instance_id: the same for the whole life of a VM and of no other: what it changes with, cloud-init
            takes for a new machine, with new host keys.
        name: of the VM, its host name where SET_HOSTNAME and HOSTNAME tell none.

    Raises:
        BadTemplate: a value is no base64, or no address, mask or number where one is needed.
    """
    meta: Config = {"instance-id": instance_id, "local-hostname": _host_name(context, name)}
    if keys := _keys(context.get("SSH_PUBLIC_KEY", "")):
        meta["public-keys"] = keys
    files = {"meta-data": _yaml(meta).encode(), "user-data": _user_data(context)}
    if script := start_script(context):
        files["vendor-data"] = _hook(script)
    if ethernets := _ethernets(context, nics):
        files["network-config"] = _yaml({"version": 2, "ethernets": ethernets}).encode()
    return files


def start_script(context: Mapping[str, str]) -> bytes:
    """Return START_SCRIPT_BASE64, decoded, or else START_SCRIPT; raises BadTemplate when it is no base64."""
    if encoded := context.get("START_SCRIPT_BASE64"):
        return _decoded(encoded, "START_SCRIPT_BASE64")
    return context.get("START_SCRIPT", "").encode()


def _host_name(context: Mapping[str, str], name: str) -> str:
    said = context.get("SET_HOSTNAME") or context.get("HOSTNAME")
    return said or re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.") or "guest"


def _keys(text: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _user_data(context: Mapping[str, str]) -> bytes:
    """Return USER_DATA as it is, or what tells nothing: without the file cloud-init takes no seed."""
    for key in ("USER_DATA", "USERDATA"):
        if text := context.get(key):
            is_encoded = context.get(f"{key}_ENCODING", "").lower() == "base64"
            return _decoded(text, key) if is_encoded else text.encode()
    return b"#cloud-config\n{}\n"


def _hook(script: bytes) -> bytes:
    """Return vendor-data that makes a script one of those that are run at each boot, whatever user-data say.

    A hook is run at each boot before anything else, so the guest always runs the script of its present CONTEXT.
    """
    if not script.startswith(b"#!"):
        script = b"#!/bin/sh\n" + script
    place = f"{PER_BOOT}/start-script"
    return (
        f"#cloud-boothook\n#!/bin/sh\nmkdir -p {PER_BOOT}\n"
        f"base64 -d > {place} <<'END'\n{base64.encodebytes(script).decode()}END\nchmod 700 {place}\n"
    ).encode()


def _decoded(text: str, key: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as fault:
        raise BadTemplate(f"CONTEXT: {key} must be base64: {fault}") from fault


def _yaml(config: Config) -> str:
    """Return YAML: JSON is, but for the characters that it allows."""
    text = json.dumps(config, ensure_ascii=False, indent=1)
    return _NO_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


# -- addresses -----------------------------------------------------------------------------------------


def _ethernets(context: Mapping[str, str], nics: Sequence[Mapping[str, str]]) -> Config:
    """Return the interfaces of network-config: each is found by its MAC address and named as its variables are."""
    mac_of = {nic.get("NIC_ID") or str(number): nic.get("MAC", "") for number, nic in enumerate(nics)}
    numbers = {int(found[1]) for key in context if (found := _ETH.fullmatch(key))}
    ethernets: Config = {}
    for number in sorted(numbers):
        one = _Interface(context, f"ETH{number}")
        mac = one.text("MAC") or mac_of.get(str(number), "")
        if mac and one.text("METHOD").lower() != "skip":
            ethernets[f"eth{number}"] = {
                "match": {"macaddress": mac.lower()},
                "set-name": f"eth{number}",
                **_settings(one),
            }
    return ethernets


class _Interface:
    """The variables of one interface or alias."""

    def __init__(self, context: Mapping[str, str], prefix: str) -> None:
        self.prefix = prefix
        self.context = context

    def text(self, variable: str) -> str:
        return self.context.get(f"{self.prefix}_{variable}", "")

    def number(self, variable: str) -> int:
        text = self.text(variable)
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise BadTemplate(f"CONTEXT: {self.prefix}_{variable} must be a number, is {text[:60]}")
        return int(text)

    def addresses(self) -> Iterator[str]:
        """Yield addresses with the length of their network's prefix."""
        for variable in ("IP", "IP6", "IP6_ULA"):
            address = self.text(variable)
            method = self.text("METHOD" if variable == "IP" else "IP6_METHOD").lower()
            if not address or method in ("dhcp", "auto", "disable", "skip"):
                continue
            size = (self.text("MASK") or _DEFAULT_MASK) if variable == "IP" else self.text("IP6_PREFIX_LENGTH")
            try:
                yield ipaddress.ip_interface(f"{address}/{size or _DEFAULT_PREFIX6}").with_prefixlen
            except ValueError as fault:
                raise BadTemplate(f"CONTEXT: {self.prefix}_{variable}: {fault}") from fault


def _settings(one: _Interface) -> Config:
    method, method6 = one.text("METHOD").lower(), one.text("IP6_METHOD").lower()
    settings: Config = {"dhcp4": method == "dhcp", "dhcp6": method6 == "dhcp"}
    if method6 in ("auto", "disable"):
        settings["accept-ra"] = method6 == "auto"
    aliases = sorted({found[1] for key in one.context if (found := _ALIAS.fullmatch(key))})
    of_one = [alias for alias in aliases if alias.startswith(f"{one.prefix}_")]
    addresses = [*one.addresses(), *(a for alias in of_one for a in _Interface(one.context, alias).addresses())]
    if addresses:
        settings["addresses"] = list(dict.fromkeys(addresses))
    if one.text("IP6_GATEWAY") and not one.text("IP6_METRIC"):
        settings["gateway6"] = one.text("IP6_GATEWAY")
    if routes := list(_routes(one)):
        settings["routes"] = routes
    if one.text("MTU"):
        settings["mtu"] = one.number("MTU")
    servers = {"addresses": _words(one.text("DNS")), "search": _words(one.text("SEARCH_DOMAIN"))}
    if told := {key: words for key, words in servers.items() if words}:
        settings["nameservers"] = told
    return settings


def _routes(one: _Interface) -> Iterator[Config]:
    """Yield default routes, then those of ROUTES: `network via gateway`, with commas between; other parts are not.

    Images decide the form: `default` as a destination is too new for many, and cloud-init 22.4 makes ::/64 of
    ::/0, so the way out of IPv6 is `gateway6` unless it has a metric.
    """
    ways = [("GATEWAY", "METRIC", "0.0.0.0/0")]
    if one.text("IP6_METRIC"):
        ways.append(("IP6_GATEWAY", "IP6_METRIC", "::/0"))
    for gateway, metric, everywhere in ways:
        if via := one.text(gateway):
            route: Config = {"to": everywhere, "via": via}
            if one.text(metric):
                route["metric"] = one.number(metric)
            yield route
    for part in one.text("ROUTES").split(","):
        words = part.split()
        if len(words) == 3 and words[1].lower() == "via":
            yield {"to": words[0], "via": words[2]}


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()

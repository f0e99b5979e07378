"""Methods of the API that are not built: each takes its arguments as upstream does, and answers why and what to do.

A program that asks for one of them learns what is missing, where an unknown method would be a fault that looks like
a broken program.  The code is 0x0800, with which upstream refuses actions that it does not know ("Action "fly" is not
supported"); 0x2000 would say that the engine is ill.  A method that is built takes its line away here.

Source: reference/api-modern.md §2, §4 and §6 (tier 3).
"""

import re
from typing import Any, NoReturn

import msgspec

from trifid.errors import NotSupported
from trifid.methods.registry import METHODS, Call, Method, Parameter
from trifid.wire.xmlrpc import Escaped

_FLAGS = ", ".join(f"{who}_{right}: int" for who in ("owner", "group", "other") for right in ("use", "manage", "admin"))


class Family(msgspec.Struct, frozen=True):
    """Methods that are missing for the same reason.

    Attributes:
        reason: what is not here, and what to do instead; the end of "not supported: ".
        methods: a signature per line, with the arguments after the session.
    """

    reason: str
    methods: str


FAMILIES = (
    Family(
        "there are no virtual routers; let a VM of your own with a NIC in each network route between them",
        f"""
        one.vrouter.allocate(template: string) -> int
        one.vrouter.attachnic(vrouter_id: int, template: string) -> int
        one.vrouter.chmod(vrouter_id: int, {_FLAGS}) -> int
        one.vrouter.chown(vrouter_id: int, user_id: int, group_id: int) -> int
        one.vrouter.delete(vrouter_id: int) -> int
        one.vrouter.detachnic(vrouter_id: int, nic_id: int) -> int
        one.vrouter.info(vrouter_id: int, decrypt: boolean = false) -> XML document
        one.vrouter.instantiate(vrouter_id: int, count: int, template_id: int, name: string, hold: boolean, \
extra: string) -> int
        one.vrouter.lock(vrouter_id: int, level: int, test: boolean = false) -> int
        one.vrouter.rename(vrouter_id: int, name: string) -> int
        one.vrouter.unlock(vrouter_id: int) -> int
        one.vrouter.update(vrouter_id: int, template: string, append: int = 0) -> int
        """,
    ),
    Family(
        "there are no marketplaces; get an image from where it is published with one.image.allocate, PATH = URL",
        f"""
        one.market.allocate(template: string) -> int
        one.market.chmod(market_id: int, {_FLAGS}) -> int
        one.market.chown(market_id: int, user_id: int, group_id: int) -> int
        one.market.delete(market_id: int) -> int
        one.market.enable(market_id: int, enable: boolean) -> int
        one.market.info(market_id: int, decrypt: boolean = false) -> XML document
        one.market.rename(market_id: int, name: string) -> int
        one.market.update(market_id: int, template: string, append: int = 0) -> int
        one.marketapp.allocate(template: string, market_id: int) -> int
        one.marketapp.chmod(app_id: int, {_FLAGS}) -> int
        one.marketapp.chown(app_id: int, user_id: int, group_id: int) -> int
        one.marketapp.delete(app_id: int) -> int
        one.marketapp.enable(app_id: int, enable: boolean) -> int
        one.marketapp.info(app_id: int, decrypt: boolean = false) -> XML document
        one.marketapp.lock(app_id: int, level: int, test: boolean = false) -> int
        one.marketapp.rename(app_id: int, name: string) -> int
        one.marketapp.unlock(app_id: int) -> int
        one.marketapp.update(app_id: int, template: string, append: int = 0) -> int
        """,
    ),
    Family(
        "no backups; keep a copy of a disk with one.vm.disksaveas, or a snapshot with one.vm.disksnapshotcreate",
        f"""
        one.backupjob.allocate(template: string) -> int
        one.backupjob.backup(job_id: int) -> int
        one.backupjob.cancel(job_id: int) -> int
        one.backupjob.chmod(job_id: int, {_FLAGS}) -> int
        one.backupjob.chown(job_id: int, user_id: int, group_id: int) -> int
        one.backupjob.delete(job_id: int) -> int
        one.backupjob.info(job_id: int) -> XML document
        one.backupjob.lock(job_id: int, level: int, test: boolean = false) -> int
        one.backupjob.priority(job_id: int, priority: int) -> int
        one.backupjob.rename(job_id: int, name: string) -> int
        one.backupjob.retry(job_id: int) -> int
        one.backupjob.schedadd(job_id: int, template: string) -> int
        one.backupjob.scheddelete(job_id: int, action_id: int) -> int
        one.backupjob.schedupdate(job_id: int, action_id: int, template: string) -> int
        one.backupjob.unlock(job_id: int) -> int
        one.backupjob.update(job_id: int, template: string, append: int = 0) -> int
        one.vm.backup(vm_id: int, datastore_id: int = -1, reset: boolean = false) -> int
        one.vm.backupcancel(vm_id: int) -> int
        one.vm.restore(vm_id: int, image_id: int, increment_id: int, disk_id: int) -> int
        """,
    ),
    Family(
        "nothing is run inside guests from here; log in over the network, or give CONTEXT a START_SCRIPT",
        """
        one.vm.cancelexec(vm_id: int) -> int
        one.vm.exec(vm_id: int, command: string, stdin: string) -> int
        one.vm.retryexec(vm_id: int) -> int
        """,
    ),
    Family(
        "PCI devices are chosen when a VM is deployed and stay; name them as PCI in the template of a new VM",
        """
        one.vm.attachpci(vm_id: int, template: string) -> int
        one.vm.detachpci(vm_id: int, pci_id: int) -> int
        """,
    ),
    Family(
        "no plans are kept; make one with the command trifid sched plan, which carries it out with --apply",
        """
        one.cluster.optimize(cluster_id: int) -> int
        one.cluster.plandelete(cluster_id: int) -> int
        one.cluster.planexecute(cluster_id: int) -> int
        """,
    ),
    Family(
        "there are no VLAN rules of groups; give a VLAN_ID to each network, which administrators make",
        """
        one.group.vlan(group_id: int, rules: string) -> int
        """,
    ),
    Family(
        "the database is not open to calls; read the pools, or the journal with trifid.event.list",
        """
        one.system.sql(sql: string, federated: boolean) -> int
        one.system.sqlquery(sql: string) -> XML document
        """,
    ),
    Family(
        "this engine is one zone with one server, there is no federation; give each engine an endpoint of its own",
        """
        one.market.allocatedb(unused: int, xml: string) -> int
        one.market.updatedb(market_id: int, xml: string) -> int
        one.marketapp.allocatedb(unused: int, xml: string) -> int
        one.marketapp.dropdb(app_id: int) -> int
        one.marketapp.updatedb(app_id: int, xml: string) -> int
        one.zone.addserver(zone_id: int, template: string) -> int
        one.zone.allocate(template: string) -> int
        one.zone.delete(zone_id: int) -> int
        one.zone.delserver(zone_id: int, server_id: int) -> int
        one.zone.fedreplicate(index: int, prev: int, sql: string) -> int
        one.zone.replicate(leader_id: int, leader_commit: int, leader_term: int, index: int, term: int, \
prev_index: int, prev_term: int, fed_index: int, sql: string) -> int
        one.zone.resetserver(zone_id: int, server_id: int) -> int
        one.zone.updatedb(zone_id: int, xml: string) -> int
        one.zone.voterequest(term: int, candidate_id: int, log_index: int, log_term: int) -> int
        """,
    ),
)

_TYPES: dict[str, type] = {"int": int, "string": str, "boolean": bool, "XML document": Escaped}
_DEFAULTS: dict[str, Any] = {"": None, "0": 0, "-1": -1, "false": False, '""': ""}
_SIGNATURE = re.compile(r"(one\.[a-z]+\.[a-z_]+)\((.*)\) -> ([A-Za-z ]+)")
_PARAMETER = re.compile(r"(\w+): (\w+)(?: = (.+))?")


def not_supported() -> list[Method]:
    """Return all methods that are not built."""
    return [_method(line.strip(), family.reason) for family in FAMILIES for line in family.methods.strip().splitlines()]


def declare() -> None:
    """Declare the methods that are not built, once all that are have been declared."""
    for missing in not_supported():
        METHODS.setdefault(missing.name, missing)


def _method(signature: str, reason: str) -> Method:
    found = _SIGNATURE.fullmatch(signature)
    assert found, f"not a signature: {signature}"
    name, arguments, answer = found.groups()

    async def refuse(call: Call, *arguments: object) -> NoReturn:
        raise NotSupported(f"not supported: {reason}")

    parameters = tuple(_parameter(one) for one in arguments.split(", ") if one)
    return Method(name, refuse, parameters, f"Not supported: {reason}.", _TYPES[answer], is_supported=False)


def _parameter(text: str) -> Parameter:
    found = _PARAMETER.fullmatch(text)
    assert found, f"not a parameter: {text}"
    name, type_word, default = found.groups()
    return Parameter(name, _TYPES[type_word], _DEFAULTS[default or ""], default is None)

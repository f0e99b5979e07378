"""Pools of the API as documents, and a small engine to schedule for."""

import json
from html import escape

from trifid.client.errors import ApiError, EngineUnreachable


def tags(values: dict[str, object]) -> str:
    return "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in values.items())


def history_xml(host_id=0, *, datastore_id=0, tm="shared", action=0) -> str:
    return (
        f"<HISTORY><HID>{host_id}</HID><DS_ID>{datastore_id}</DS_ID><VM_MAD>kvm</VM_MAD><TM_MAD>{tm}</TM_MAD>"
        f"<ACTION>{action}</ACTION></HISTORY>"
    )


def vm_xml(
    vm_id=0,
    *,
    cpu="1",
    memory="512",
    state=1,
    lcm_state=0,
    resched=0,
    history="",
    disks=(),
    nics=(),
    pci=(),
    uid=0,
    group=None,
    **user,
) -> str:
    group_text = f"<VMGROUP><VMGROUP_ID>{group[0]}</VMGROUP_ID><ROLE>{group[1]}</ROLE></VMGROUP>" if group else ""
    disk_texts = "".join(f"<DISK>{tags(disk)}</DISK>" for disk in disks)
    disk_texts += "".join(f"<PCI>{tags(wish)}</PCI>" for wish in pci)
    disk_texts += "".join(f"<NIC>{tags(nic)}</NIC>" for nic in nics)
    return (
        f"<VM><ID>{vm_id}</ID><UID>{uid}</UID><STATE>{state}</STATE><LCM_STATE>{lcm_state}</LCM_STATE><RESCHED>{resched}</RESCHED>"
        f"<TEMPLATE><CPU>{cpu}</CPU><MEMORY>{memory}</MEMORY>{disk_texts}{group_text}</TEMPLATE><USER_TEMPLATE>{tags(user)}</USER_TEMPLATE>"
        f"<HISTORY_RECORDS>{history}</HISTORY_RECORDS></VM>"
    )


def host_xml(
    host_id=0,
    *,
    state=2,
    cpu=400,
    memory_mib=4096,
    cpu_used=0,
    memory_used_mib=0,
    vms=(),
    vmm="kvm",
    cluster_id=0,
    free_disk=0,
    max_disk=0,
    disk_usage=0,
    nics=(),
    pci=(),
    **more,
):
    return (
        f"<HOST><ID>{host_id}</ID><NAME>host{host_id}</NAME><STATE>{state}</STATE><VM_MAD>{vmm}</VM_MAD>"
        f"<CLUSTER_ID>{cluster_id}</CLUSTER_ID>"
        f"<HOST_SHARE><MEM_USAGE>{memory_used_mib * 1024}</MEM_USAGE><CPU_USAGE>{cpu_used}</CPU_USAGE>"
        f"<MAX_MEM>{memory_mib * 1024}</MAX_MEM><MAX_CPU>{cpu}</MAX_CPU>"
        f"<RUNNING_VMS>{len(vms)}</RUNNING_VMS><DATASTORES><DISK_USAGE>{disk_usage}</DISK_USAGE>"
        f"<FREE_DISK>{free_disk}</FREE_DISK><MAX_DISK>{max_disk}</MAX_DISK><USED_DISK>0</USED_DISK></DATASTORES>"
        f"<PCI_DEVICES>{''.join(f'<PCI>{tags(device)}</PCI>' for device in pci)}</PCI_DEVICES></HOST_SHARE>"
        f"<VMS>{''.join(f'<ID>{vm}</ID>' for vm in vms)}</VMS><TEMPLATE>{tags(more)}</TEMPLATE>"
        f"<MONITORING><CAPACITY><FREE_CPU>{cpu - cpu_used}</FREE_CPU></CAPACITY></MONITORING></HOST>"
    )


def datastore_xml(
    datastore_id=0, *, kind=1, state=0, ds_mad="-", tm="shared", clusters=(0,), total=0, free=0, name="", **more
):
    return (
        f"<DATASTORE><ID>{datastore_id}</ID><UID>0</UID><GID>0</GID><NAME>{name or f'ds{datastore_id}'}</NAME>"
        f"<DS_MAD>{ds_mad}</DS_MAD><TM_MAD>{tm}</TM_MAD><TYPE>{kind}</TYPE><STATE>{state}</STATE>"
        f"<CLUSTERS>{''.join(f'<ID>{number}</ID>' for number in clusters)}</CLUSTERS><TOTAL_MB>{total}</TOTAL_MB>"
        f"<FREE_MB>{free}</FREE_MB><USED_MB>{total - free}</USED_MB><TEMPLATE>{tags(more)}</TEMPLATE></DATASTORE>"
    )


def network_xml(network_id=0, *, uid=0, gid=0, bits=0o604, state=1, clusters=(0,), size=10, used=0, VLAN_ID="", **more):
    names = [f"{who}_{right}" for who in ("OWNER", "GROUP", "OTHER") for right in "UMA"]
    return (
        f"<VNET><ID>{network_id}</ID><UID>{uid}</UID><GID>{gid}</GID><NAME>net{network_id}</NAME>"
        f"<PERMISSIONS>{tags(dict(zip(names, f'{bits:09b}', strict=True)))}</PERMISSIONS>"
        f"<CLUSTERS>{''.join(f'<ID>{number}</ID>' for number in clusters)}</CLUSTERS><STATE>{state}</STATE>"
        f"<VLAN_ID>{VLAN_ID}</VLAN_ID><USED_LEASES>{used}</USED_LEASES><TEMPLATE>{tags(more)}</TEMPLATE>"
        f"<AR_POOL><AR><AR_ID>0</AR_ID><SIZE>{size}</SIZE></AR></AR_POOL></VNET>"
    )


def user_xml(user_id=0, gids=(0,)):
    groups = "".join(f"<ID>{gid}</ID>" for gid in gids)
    return f"<USER><ID>{user_id}</ID><GID>{gids[0]}</GID><GROUPS>{groups}</GROUPS><NAME>u{user_id}</NAME></USER>"


class Engine:
    """Answers the calls that the scheduler makes; time goes by only when it waits.

    Attributes:
        pending: VM id to keyword arguments of vm_xml; a deploy takes it out.
        hosts: host id to those of host_xml.
        datastores: datastore id to those of datastore_xml.
        clusters: cluster id to its attributes.
        networks: network id to keyword arguments of network_xml.
        users: user id to group ids.
        refuse: VM ids whose deploy is refused.
        whys: VM id to why it was last placed where it was.
        usages: user id to what trifid.user.usage tells of it.
        barred: user id to the hosts on which its VMs may not be.
        coming: (second, event or function) that happen while the scheduler waits.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.pending: dict[int, dict] = {}
        self.running: dict[int, str] = {}
        self.hosts: dict[int, dict] = {}
        self.datastores: dict[int, dict] = {0: {}}
        self.clusters: dict[int, dict] = {0: {}}
        self.networks: dict[int, dict] = {}
        self.users: dict[int, tuple[int, ...]] = {0: (0,)}
        self.refuse: set[int] = set()
        self.usages: dict[int, dict] = {}
        self.barred: dict[int, list[int]] = {}
        self.whys: dict[int, str] = {}
        self.events: list[dict] = []
        self._read: dict[str, dict[int, str]] = {}
        self.coming: list[tuple[float, object]] = []
        self.calls: list[tuple] = []
        self.is_up = True
        self.rounds_left = 1

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self._happen()

    def event(self, kind="VM", object_id=0, what="state", old="", new="") -> None:
        self.events.append(
            {"id": len(self.events) + 1, "kind": kind, "object_id": object_id, "what": what, "old": old, "new": new}
        )

    def called(self, method: str) -> list[tuple]:
        return [args for name, *args in self.calls if name == method]

    def _happen(self) -> None:
        for one in sorted(self.coming, key=lambda pair: pair[0]):
            if one[0] <= self.now:
                self.coming.remove(one)
                one[1]()

    def call(self, method: str, *args):
        if not self.is_up:
            raise EngineUnreachable("no engine answers")
        self.calls.append((method, *args))
        return getattr(self, method.replace(".", "_"))(*args)

    def trifid_event_list(self, after, wait_s, limit):
        if after < 0:
            return json.dumps({"last": len(self.events), "events": []})
        end = self.now + wait_s
        while len(self.events) <= after and self.now < end:
            self.now = min([end, *(at for at, _ in self.coming if at > self.now)])
            self._happen()
        found = self.events[after : after + limit]
        return json.dumps({"last": found[-1]["id"] if found else after, "events": found})

    def one_vmpool_info(self, flag, start, end, state):
        running = "".join(self.running.values()) if state in (-1, 3) else ""
        pending = "".join(vm_xml(vm_id, **more) for vm_id, more in self.pending.items()) if state in (-1, 1) else ""
        return f"<VM_POOL>{running}{pending}</VM_POOL>"

    def trifid_host_changes(self, read):
        texts = {host_id: host_xml(host_id, **more) for host_id, more in self.hosts.items()}
        before = self._read.get(read, {})
        changed = [text for host_id, text in texts.items() if before.get(host_id) != text]
        self._read[token := f"t{len(self._read)}"] = texts
        ids = " ".join(map(str, texts))
        return f"<HOST_CHANGES><READ>{token}</READ><IDS>{ids}</IDS>{''.join(changed)}</HOST_CHANGES>"

    def one_clusterpool_info(self):
        texts = [
            f"<CLUSTER><ID>{cluster_id}</ID><NAME>c{cluster_id}</NAME><TEMPLATE>{tags(more)}</TEMPLATE></CLUSTER>"
            for cluster_id, more in self.clusters.items()
        ]
        return f"<CLUSTER_POOL>{''.join(texts)}</CLUSTER_POOL>"

    def one_datastorepool_info(self):
        texts = [datastore_xml(datastore_id, **more) for datastore_id, more in self.datastores.items()]
        return f"<DATASTORE_POOL>{''.join(texts)}</DATASTORE_POOL>"

    def one_vnpool_info(self, flag, start, end):
        assert flag == -2
        texts = [network_xml(network_id, **more) for network_id, more in self.networks.items()]
        return f"<VNET_POOL>{''.join(texts)}</VNET_POOL>"

    def one_userpool_info(self):
        return f"<USER_POOL>{''.join(user_xml(uid, gids) for uid, gids in self.users.items())}</USER_POOL>"

    def one_acl_info(self):
        return "<ACL_POOL></ACL_POOL>"

    def one_vm_info(self, vm_id, decrypt):
        if vm_id not in self.running:
            raise ApiError(f"[one.vm.info] Error getting virtual machine [{vm_id}].", 0x400, vm_id)
        return self.running[vm_id]

    def trifid_vm_place_all(self, placements):
        answers = []
        for vm_id, host_id, datastore_id, why, networks in json.loads(placements):
            self.whys[vm_id] = why
            chosen = (networks,) if networks else ()
            answers.append(self._outcome("trifid.vm.place", vm_id, host_id, datastore_id, *chosen))
        return json.dumps(answers)

    def trifid_vm_tell_all(self, messages):
        updates = ([vm_id, f'SCHED_MESSAGE="{text}"', 1] for vm_id, text in json.loads(messages))
        return json.dumps([self._outcome("one.vm.update", *one) for one in updates])

    def trifid_user_barred_hosts(self, uids):
        return json.dumps({str(uid): ids for uid, ids in self.barred.items() if uid in uids})

    def trifid_user_usage(self):
        return json.dumps([{"uid": uid, **more} for uid, more in self.usages.items()])

    def _outcome(self, method, *args):
        try:
            self.call(method, *args)
        except ApiError as refused:
            return {"code": refused.code, "message": str(refused)}
        return {"code": 0, "message": ""}

    def trifid_vm_place(self, vm_id, host_id, datastore_id, networks=""):
        if vm_id in self.refuse:
            raise ApiError("[trifid.vm.place] no", 0x800, vm_id)
        if vm_id in self.pending:
            del self.pending[vm_id]
            self.event(object_id=vm_id, old="PENDING", new="PROLOG")
        else:
            del self.running[vm_id]
        return vm_id

    def one_vm_update(self, vm_id, template, append):
        assert append == 1
        if vm_id in self.pending:
            self.pending[vm_id]["SCHED_MESSAGE"] = template.removeprefix('SCHED_MESSAGE="').removesuffix('"')
        self.event(object_id=vm_id, what="updated")
        return vm_id

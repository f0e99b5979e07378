"""Which right on what each method of the API needs: the table that the manual shows and the tests compare with.

The methods check; this only tells.  A method without an entry fails the tests, and so does one that answers "not
authorized" when the table says otherwise, or does not when it does.
Source: the table of authorization requests in the public documentation of today's API, where docs/access.md names
no difference.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from trifid.core.access import GROUP, OWNER, Permissions, Right
from trifid.methods.registry import Method

USE, MANAGE, ADMIN, CREATE = Right
SYSTEM = "SYSTEM"
"""The kind that no rule names: what needs a right on it is for administrators."""

Given = Mapping[str, Any]
"""Parameter -> argument; and the id of the caller, as CALLER."""
CALLER = "the caller"


class When(msgspec.Struct, frozen=True):
    """A need that not every call has.

    Attributes:
        text: when, for the manual.
        holds: tells it from the arguments and the object.
    """

    text: str
    holds: Callable[[Given, Any], bool]


class Need(msgspec.Struct, frozen=True):
    """A right that a call needs.

    Attributes:
        kind: type word of the object.
        parameter: which argument names the object; empty = a new object, or the whole kind.
        when: None = always; but where the argument is -1, which names nothing.
    """

    right: Right
    kind: str
    parameter: str = ""
    when: When | None = None


class Rights(msgspec.Struct, frozen=True):
    """What a method needs.

    Attributes:
        needs: all of them.
        shows: the kind of which it lists what the caller may USE, empty for none.
        also: what else is needed, of objects that arguments name in their text; for the manual.
        is_for_admins: group 0 only, whatever rules say.
    """

    needs: tuple[Need, ...] = ()
    shows: str = ""
    also: str = ""
    is_for_admins: bool = False


WHOEVER = Rights()
"""Whoever is authenticated."""
ADMINISTRATORS = Rights((Need(MANAGE, SYSTEM),))

_ADMIN_ACTIONS = ("resched", "unresched", "resubmit", "delete-recreate")
_DELETE_DB = 5
_ADMIN_FLAGS = (("oa", 2), ("ga", 5), ("ta", 8))


def _changes_admin_bits(given: Given, target: Any) -> bool:
    before: Permissions = target.permissions
    return any(given[name] not in (-1, before.flags()[place]) for name, place in _ADMIN_FLAGS)


_ADMIN_BIT = When("a bit of ADMIN changes", _changes_admin_bits)
_NO_ADMIN_BIT = When("no bit of ADMIN changes", lambda given, target: not _changes_admin_bits(given, target))
_TAKES_IT = When(
    "the caller makes itself the owner", lambda given, target: given["user_id"] == given[CALLER] != target.uid
)


def _given_away(who: int, right: Right, gid: str = "group_id") -> When:
    """Return when a class of users is another one, and has a right on the object."""
    name, of, whom = ("user_id", "uid", "owner") if who == OWNER else (gid, "gid", "group")

    def holds(given: Given, target: Any) -> bool:
        return given[name] not in (-1, getattr(target, of)) and target.permissions.allows(who, right)

    return When(f"it gets another {whom}, whom its permissions give that", holds)


_FOR_ADMINS = When(f"it is {', '.join(_ADMIN_ACTIONS)}", lambda given, target: given["word"] in _ADMIN_ACTIONS)
_FOR_MANAGERS = When("it is another action", lambda given, target: given["word"] not in _ADMIN_ACTIONS)
_FORGETS = When(f"operation is {_DELETE_DB}", lambda given, target: given["operation"] == _DELETE_DB)
_NO_PART = When("it is no reservation", lambda given, target: not target.is_reservation)
_PART = When("it is a reservation", lambda given, target: target.is_reservation)


def _is_foreign(given: Given, target: Any) -> bool:
    return not target.is_reservation and target.template_id < 0


_FOREIGN = When("it is neither a reservation nor made of a template", _is_foreign)
_OWN = When("it is a reservation, or made of a template", lambda given, target: not _is_foreign(given, target))


# -- what many have in common ------------------------------------------------------------------------


def _each(api: str, kind: str, parameter: str, **methods: Right) -> dict[str, Rights]:
    """Return methods of one kind that need one right on the object that they name."""
    return {f"{api}.{name}": Rights((Need(right, kind, parameter),)) for name, right in methods.items()}


def _owned(api: str, kind: str, parameter: str, gid: str = "group_id") -> dict[str, Rights]:
    """Return rename, chmod and chown of a kind."""
    return {
        f"{api}.rename": Rights((Need(MANAGE, kind, parameter),)),
        f"{api}.chmod": Rights(
            (
                Need(USE, kind, parameter),
                Need(MANAGE, kind, parameter, _NO_ADMIN_BIT),
                Need(ADMIN, kind, parameter, _ADMIN_BIT),
            )
        ),
        f"{api}.chown": Rights(
            (
                Need(MANAGE, kind, parameter),
                Need(ADMIN, kind, parameter, _TAKES_IT),
                *(
                    Need(right, kind, parameter, _given_away(who, right, gid))
                    for who in (OWNER, GROUP)
                    for right in (USE, ADMIN)
                ),
                Need(MANAGE, "USER", "user_id"),
                Need(USE, "GROUP", gid),
            )
        ),
    }


def _locked(api: str, kind: str, parameter: str) -> dict[str, Rights]:
    """Return lock and unlock of a kind."""
    return _each(api, kind, parameter, lock=MANAGE, unlock=MANAGE)


def _made(kind: str, also: str = "") -> Rights:
    """Return what making an object of a kind needs."""
    return Rights((Need(CREATE, kind),), also=also)


def _made_in_cluster(kind: str) -> Rights:
    return Rights((Need(CREATE, kind), Need(ADMIN, "CLUSTER", "cluster_id")))


def _copied(kind: str, parameter: str, also: str = "") -> Rights:
    return Rights((Need(USE, kind, parameter), Need(CREATE, kind)), also=also)


def _both(kind: str, parameter: str, other: str, other_parameter: str, right: Right, other_right: Right) -> Rights:
    return Rights((Need(right, kind, parameter), Need(other_right, other, other_parameter)))


_NAMED_BY_TEMPLATE = "USE of the images, networks, security groups, VM group and datastore that the template names"
_READ_ADDRESSES = "MANAGE shows the leases of others too"


# -- the table ---------------------------------------------------------------------------------------

_LISTS_OF_VMS = ("info", "infoextended", "infoset", "monitoring", "accounting", "showback")

_VM = {
    "one.vm.allocate": _made("VM", _NAMED_BY_TEMPLATE),
    "one.vm.action": Rights((Need(ADMIN, "VM", "vm_id", _FOR_ADMINS), Need(MANAGE, "VM", "vm_id", _FOR_MANAGERS))),
    "one.vm.deploy": Rights(
        (Need(ADMIN, "VM", "vm_id"), Need(MANAGE, "HOST", "host_id"), Need(USE, "DATASTORE", "datastore_id"))
    ),
    "one.vm.migrate": Rights(
        (Need(ADMIN, "VM", "vm_id"), Need(MANAGE, "HOST", "host_id"), Need(USE, "DATASTORE", "datastore_id"))
    ),
    "trifid.vm.place": Rights(
        (Need(ADMIN, "VM", "vm_id"), Need(MANAGE, "HOST", "host_id"), Need(USE, "DATASTORE", "datastore_id"))
    ),
    "one.vm.recover": Rights((Need(ADMIN, "VM", "vm_id"), Need(ADMIN, SYSTEM, when=_FORGETS))),
    **_each("trifid.vm", "VM", "vm_id", migrate_cancel=ADMIN, explain=USE, monitoring=USE),
    "trifid.vm.place_all": ADMINISTRATORS,
    "trifid.vm.tell_all": ADMINISTRATORS,
    **_each("one.vm", "VM", "vm_id", info=USE, monitoring=USE, update=MANAGE, resize=MANAGE, diskresize=MANAGE),
    **_each("one.vm", "VM", "vm_id", detach=MANAGE, detachnic=MANAGE, detachsg=MANAGE, vmgroupdel=MANAGE),
    **_each("one.vm", "VM", "vm_id", snapshotcreate=MANAGE, snapshotrevert=MANAGE, snapshotdelete=MANAGE),
    **_each("one.vm", "VM", "vm_id", disksnapshotcreate=MANAGE, disksnapshotrevert=MANAGE),
    **_each("one.vm", "VM", "vm_id", disksnapshotdelete=MANAGE, disksnapshotrename=MANAGE, scheddelete=MANAGE),
    "one.vm.attach": Rights((Need(MANAGE, "VM", "vm_id"),), also="USE of the image that the template names"),
    "one.vm.attachnic": Rights((Need(MANAGE, "VM", "vm_id"),), also="USE of the network that the template names"),
    "one.vm.updatenic": Rights((Need(MANAGE, "VM", "vm_id"),), also="USE of the security groups that are added"),
    "one.vm.updateconf": Rights((Need(MANAGE, "VM", "vm_id"),), also="USE of the images that CONTEXT and OS name"),
    "one.vm.attachsg": _both("VM", "vm_id", "SECGROUP", "group_id", MANAGE, USE),
    "one.vm.vmgroupadd": _both("VM", "vm_id", "VMGROUP", "group_id", MANAGE, USE),
    "one.vm.disksaveas": Rights((Need(CREATE, "IMAGE"), Need(MANAGE, "VM", "vm_id")), also="USE of the datastore"),
    "one.vm.schedadd": Rights((Need(MANAGE, "VM", "vm_id"),), also="the right that the action needs when it is done"),
    "one.vm.schedupdate": Rights((Need(MANAGE, "VM", "vm_id"),), also="the right that the action needs"),
    **_owned("one.vm", "VM", "vm_id"),
    **_locked("one.vm", "VM", "vm_id"),
    **{f"one.vmpool.{name}": Rights(shows="VM") for name in _LISTS_OF_VMS},
    "one.vmpool.calculateshowback": Rights(is_for_admins=True),
    "trifid.placement.dry_run": Rights(
        also="of each thing that is tried the rights that it needs in earnest; ADMIN of the host to empty one"
    ),
}

_HOST = {
    "one.host.allocate": _made_in_cluster("HOST"),
    **_each("one.host", "HOST", "host_id", delete=ADMIN, info=USE, monitoring=USE, status=ADMIN),
    **_each("one.host", "HOST", "host_id", update=ADMIN, rename=ADMIN),
    **_each("trifid.host", "HOST", "host_id", resync=ADMIN, fenced=ADMIN, key=ADMIN, accept_key=ADMIN),
    **_each("trifid.host", "HOST", "host_id", signs=USE, monitoring=USE),
    "trifid.host.import_vm": Rights((Need(ADMIN, "HOST", "host_id"), Need(CREATE, "VM"))),
    "trifid.host.changes": ADMINISTRATORS,
    "one.hostpool.info": Rights(shows="HOST"),
    "one.hostpool.monitoring": Rights(shows="HOST"),
}

_CLUSTER = {
    "one.cluster.allocate": _made("CLUSTER"),
    **_each("one.cluster", "CLUSTER", "cluster_id", delete=ADMIN, info=USE, update=MANAGE, rename=MANAGE),
    **{
        f"one.cluster.{verb}{word}": _both("CLUSTER", "cluster_id", kind, f"{name}_id", ADMIN, ADMIN)
        for verb in ("add", "del")
        for word, kind, name in (
            ("host", "HOST", "host"),
            ("datastore", "DATASTORE", "datastore"),
            ("vnet", "NET", "network"),
        )
    },
    "one.clusterpool.info": Rights(shows="CLUSTER"),
}

_NETWORK = {
    "one.vn.allocate": _made_in_cluster("NET"),
    "one.vn.delete": Rights((Need(ADMIN, "NET", "network_id", _FOREIGN), Need(MANAGE, "NET", "network_id", _OWN))),
    "one.vn.info": Rights((Need(USE, "NET", "network_id"),), also=_READ_ADDRESSES),
    **_each("one.vn", "NET", "network_id", recover=ADMIN, add_ar=ADMIN, reserve=USE),
    **_each("one.vn", "NET", "network_id", update=MANAGE, hold=MANAGE, release=MANAGE),
    **{
        f"one.vn.{name}": Rights((Need(ADMIN, "NET", "network_id", _NO_PART), Need(MANAGE, "NET", "network_id", _PART)))
        for name in ("rm_ar", "free_ar")
    },
    "one.vn.update_ar": Rights((Need(MANAGE, "NET", "network_id"), Need(ADMIN, "NET", "network_id", _NO_PART))),
    **_owned("one.vn", "NET", "network_id"),
    **_locked("one.vn", "NET", "network_id"),
    "one.vnpool.info": Rights(shows="NET"),
    "one.vntemplate.allocate": _made("VNTEMPLATE"),
    "one.vntemplate.clone": _copied("VNTEMPLATE", "template_id"),
    **_each("one.vntemplate", "VNTEMPLATE", "template_id", instantiate=USE, info=USE, update=MANAGE, delete=MANAGE),
    **_owned("one.vntemplate", "VNTEMPLATE", "template_id"),
    **_locked("one.vntemplate", "VNTEMPLATE", "template_id"),
    "one.vntemplatepool.info": Rights(shows="VNTEMPLATE"),
    "one.secgroup.allocate": _made("SECGROUP", "USE of the networks that its rules name"),
    "one.secgroup.clone": _copied("SECGROUP", "group_id"),
    **_each("one.secgroup", "SECGROUP", "group_id", info=USE, delete=MANAGE, update=MANAGE, commit=MANAGE),
    **_owned("one.secgroup", "SECGROUP", "group_id", "new_gid"),
    "one.secgrouppool.info": Rights(shows="SECGROUP"),
}

_STORAGE = {
    "one.datastore.allocate": _made_in_cluster("DATASTORE"),
    **_each("one.datastore", "DATASTORE", "datastore_id", delete=ADMIN, info=USE, update=MANAGE, enable=MANAGE),
    **_owned("one.datastore", "DATASTORE", "datastore_id"),
    "one.datastorepool.info": Rights(shows="DATASTORE"),
    "one.image.allocate": Rights((Need(CREATE, "IMAGE"), Need(USE, "DATASTORE", "datastore_id"))),
    "one.image.clone": Rights(
        (Need(CREATE, "IMAGE"), Need(USE, "IMAGE", "image_id"), Need(USE, "DATASTORE", "datastore_id"))
    ),
    **_each("one.image", "IMAGE", "image_id", info=USE, restore=USE, delete=MANAGE, update=MANAGE, enable=MANAGE),
    **_each("one.image", "IMAGE", "image_id", persistent=MANAGE, chtype=MANAGE),
    **_each("one.image", "IMAGE", "image_id", snapshotdelete=MANAGE, snapshotrevert=MANAGE, snapshotflatten=MANAGE),
    "trifid.image.resize": Rights((Need(MANAGE, "IMAGE", "image_id"),)),
    **_owned("one.image", "IMAGE", "image_id"),
    **_locked("one.image", "IMAGE", "image_id"),
    "one.imagepool.info": Rights(shows="IMAGE"),
}

_KEPT = {
    "one.template.allocate": _made("TEMPLATE"),
    "one.template.clone": _copied("TEMPLATE", "template_id", "with recursive: CREATE IMAGE, USE of its images"),
    "one.template.instantiate": Rights((Need(USE, "TEMPLATE", "template_id"),), also=_NAMED_BY_TEMPLATE),
    "one.template.delete": Rights((Need(MANAGE, "TEMPLATE", "template_id"),), also="MANAGE of its images"),
    **_each("one.template", "TEMPLATE", "template_id", info=USE, update=MANAGE),
    **_owned("one.template", "TEMPLATE", "template_id"),
    **_locked("one.template", "TEMPLATE", "template_id"),
    "one.templatepool.info": Rights(shows="TEMPLATE"),
    "one.vmgroup.allocate": _made("VMGROUP"),
    **_each("one.vmgroup", "VMGROUP", "group_id", info=USE, delete=MANAGE, update=MANAGE),
    **_each("one.vmgroup", "VMGROUP", "group_id", roleadd=MANAGE, roledelete=MANAGE, roleupdate=MANAGE),
    **_owned("one.vmgroup", "VMGROUP", "group_id", "new_gid"),
    **_locked("one.vmgroup", "VMGROUP", "group_id"),
    "one.vmgrouppool.info": Rights(shows="VMGROUP"),
    "one.document.allocate": _made("DOCUMENT"),
    "one.document.clone": _copied("DOCUMENT", "document_id"),
    **_each("one.document", "DOCUMENT", "document_id", info=USE, delete=MANAGE, update=MANAGE),
    **_owned("one.document", "DOCUMENT", "document_id"),
    **_locked("one.document", "DOCUMENT", "document_id"),
    "one.documentpool.info": Rights(shows="DOCUMENT"),
}

_APPOINTING = ("addadmin", "deladmin")
_MEMBERSHIP = _both("USER", "user_id", "GROUP", "group_id", MANAGE, MANAGE)

_PEOPLE = {
    "one.user.allocate": _made("USER", "CREATE in each of the groups that the user will be in"),
    **_each("one.user", "USER", "user_id", delete=ADMIN, info=USE, passwd=MANAGE, update=MANAGE, enable=ADMIN),
    **_each("one.user", "USER", "user_id", quota=ADMIN, chauth=ADMIN),
    "trifid.user.import_hash": Rights((Need(ADMIN, "USER", "user_id"),)),
    "one.user.login": Rights((Need(MANAGE, "USER", "name"),), also="the very groups of the user, or a group: egid"),
    **{f"one.user.{name}": _MEMBERSHIP for name in ("chgrp", "addgroup", "delgroup")},
    "one.userpool.info": Rights(shows="USER"),
    "one.group.allocate": _made("GROUP"),
    **_each("one.group", "GROUP", "group_id", delete=ADMIN, info=USE, update=MANAGE, quota=ADMIN),
    **{
        f"one.group.{name}admin": _both("GROUP", "group_id", "USER", "user_id", MANAGE, MANAGE)
        for name in ("add", "del")
    },
    "one.grouppool.info": Rights(shows="GROUP"),
    **{f"one.{whose}quota.info": WHOEVER for whose in ("user", "group")},
    **{f"one.{whose}quota.update": Rights(is_for_admins=True) for whose in ("user", "group")},
    "trifid.user.usage": ADMINISTRATORS,
    "trifid.user.barred_hosts": ADMINISTRATORS,
    **{f"one.acl.{name}": Rights((Need(MANAGE, "ACL"),)) for name in ("addrule", "delrule", "info")},
    "one.vdc.allocate": _made("VDC"),
    **_each("one.vdc", "VDC", "vdc_id", delete=ADMIN, info=USE, update=MANAGE, rename=MANAGE),
    **{
        f"one.vdc.{verb}{word}": _both("VDC", "vdc_id", kind, f"{word}_id", ADMIN, ADMIN)
        for verb in ("add", "del")
        for word, kind in (
            ("group", "GROUP"),
            ("cluster", "CLUSTER"),
            ("host", "HOST"),
            ("datastore", "DATASTORE"),
            ("vnet", "NET"),
        )
    },
    "one.vdcpool.info": Rights(shows="VDC"),
}

_ENGINE = {
    **{f"{api}.system.version": WHOEVER for api in ("one", "trifid")},
    "one.system.config": WHOEVER,
    "trifid.event.list": ADMINISTRATORS,
    "trifid.event.story": Rights(also="USE of the object; for administrators where it is gone, or of another kind"),
    "trifid.audit.list": ADMINISTRATORS,
    **_each("one.zone", "ZONE", "zone_id", info=USE, enable=ADMIN, rename=MANAGE, update=MANAGE),
    "one.zone.raftstatus": Rights(also="USE of zone 0"),
    "one.zonepool.info": Rights(also="USE of zone 0"),
    **{
        f"one.{name}": Rights(is_for_admins=True)
        for name in (
            *("hook.allocate", "hook.delete", "hook.info", "hook.update", "hook.rename", "hook.lock", "hook.unlock"),
            *("hook.retry", "hooklog.info"),
        )
    },
    "one.hookpool.info": Rights(also="shows administrators all hooks, and others none"),
    **{f"one.{name}pool.info": WHOEVER for name in ("market", "marketapp", "vrouter", "backupjob")},
}

RIGHTS: Mapping[str, Rights] = _VM | _HOST | _CLUSTER | _NETWORK | _STORAGE | _KEPT | _PEOPLE | _ENGINE
"""By method.  Those that only answer that they are not supported have no entry, see `rights_of`."""


def rights_of(method: Method) -> Rights | None:
    """Return what a method needs; None when nobody has said so."""
    if method.handler.__module__ == "trifid.methods.not_supported":
        return WHOEVER
    return RIGHTS.get(method.name)

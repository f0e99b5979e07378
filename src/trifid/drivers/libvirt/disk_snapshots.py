"""Snapshots of one disk of a running domain, kept inside its qcow2 image.

An image that holds its snapshots itself stays in one piece: it moves, grows and is checked as before, and the
transfer driver goes on with the same ones (qemu-img snapshot) when the domain is off.  libvirt has no call
for them while the domain runs, so QEMU is asked through libvirt's monitor pass-through.

Source: QEMU's blockdev-snapshot-internal-sync and blockdev-snapshot-delete-internal-sync (qapi/block.json).
"""

import json
from typing import Any

import libvirt
import libvirt_qemu

from trifid.drivers.kit import Failure, Request, Verb
from trifid.drivers.libvirt.desk import Desk
from trifid.drivers.libvirt.disks import image_path
from trifid.drivers.libvirt.present import running


class DiskSnapshots:
    """Makes and forgets the snapshot that DISK_SNAPSHOT_ID names, of the disk with DISK_SNAPSHOT_ACTIVE=YES."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def verbs(self) -> dict[str, Verb]:
        """Return what is done for each word on the wire."""
        return {"DISKSNAPSHOTCREATE": self.create, "DISKSNAPSHOTDELETE": self.delete}

    def create(self, request: Request) -> str:
        """Make the snapshot; it is there: good."""
        self._change(request, "blockdev-snapshot-internal-sync", shall_exist=True)
        return ""

    def delete(self, request: Request) -> str:
        """Remove the snapshot; it is gone: good."""
        self._change(request, "blockdev-snapshot-delete-internal-sync", shall_exist=False)
        return ""

    def _change(self, request: Request, command: str, *, shall_exist: bool) -> None:
        data, vm, connection = self._desk.about(request)
        vector = vm.template.marked("DISK", "DISK_SNAPSHOT_ACTIVE", "YES")
        name = f"disk-snapshot-{vector.get('DISK_SNAPSHOT_ID', '')}"
        with connection.open() as opened:
            domain = running(opened, vm, request, data.host)
            node, names = _node_of(domain, image_path(vector, data.disk_target_path), vector.get("DISK_ID", ""))
            if (name in names) != shall_exist:
                _ask(domain, command, device=node, name=name)


def _node_of(domain: "libvirt.virDomain", path: str, disk_id: str) -> tuple[str, list[str]]:
    """Return QEMU's name for the node of an image, and the names of the snapshots in it.

    Raises:
        Failure: the domain does not use it, or it cannot hold snapshots.
    """
    for block in _ask(domain, "query-block"):
        inserted = block.get("inserted", {})
        if path not in (inserted.get("file"), inserted.get("image", {}).get("filename")):
            continue
        if inserted["drv"] != "qcow2":
            raise Failure(
                f"disk {disk_id} is {inserted['drv']}, and while the machine runs a snapshot can only be made in a "
                "qcow2 image, or deleted there: power the VM off first, or use a qcow2 image (DRIVER=qcow2)"
            )
        return inserted["node-name"], [one["name"] for one in inserted["image"].get("snapshots", [])]
    raise Failure(f"{domain.name()} has no disk {path}")


def _ask(domain: "libvirt.virDomain", command: str, **arguments: str) -> Any:
    """Return what QEMU answers.

    Raises:
        Failure: it refuses, with its words.
    """
    said = libvirt_qemu.qemuMonitorCommand(domain, json.dumps({"execute": command, "arguments": arguments}), 0)
    answer = json.loads(said)
    if "error" in answer:
        raise Failure(f"QEMU refuses {command}: {answer['error'].get('desc', said)}")
    return answer["return"]

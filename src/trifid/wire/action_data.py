"""The payload of a virtual machine driver's requests: base64 of one XML document.

The engine renders it, drivers parse it.  Source: reference/drivers.md §2.3 (VMM_DRIVER_ACTION_DATA);
TRIFID_STEP is an addition that lets a driver refuse an action that has been superseded.
"""

import base64
import binascii
import re
from typing import NoReturn
from xml.parsers import expat

import msgspec

from trifid.errors import DriverFault
from trifid.wire.xmltext import escape

ROOT = "VMM_DRIVER_ACTION_DATA"

_TEXTS = {
    "HOST": "host",
    "MIGR_HOST": "migrate_host",
    "DEPLOY_ID": "deploy_id",
    "LOCAL_DEPLOYMENT_FILE": "local_deployment_file",
    "REMOTE_DEPLOYMENT_FILE": "remote_deployment_file",
    "CHECKPOINT_FILE": "checkpoint_file",
    "DISK_TARGET_PATH": "disk_target_path",
    "TRIFID_STEP": "step",
}
_DOCUMENTS = {"VM": "vm", "DATASTORE": "datastore"}


class ActionData(msgspec.Struct, frozen=True):
    """What a driver is told about an action.

    Attributes:
        host: where the VM is; for MIGRATE the source.
        migrate_host: destination of MIGRATE, else empty.
        deploy_id: the hypervisor's name for the VM.
        remote_deployment_file, checkpoint_file: paths on the host.
        disk_target_path: directory of the VM on the host.
        step: the VM's step number; a lower one than a driver has seen is out of date.
        vm: the full VM document.
        datastore: the system datastore's document, empty if there is none.
    """

    host: str = ""
    migrate_host: str = ""
    deploy_id: str = ""
    local_deployment_file: str = ""
    remote_deployment_file: str = ""
    checkpoint_file: str = ""
    disk_target_path: str = ""
    step: int = 0
    vm: str = ""
    datastore: str = ""


def render(data: ActionData) -> str:
    """Return the payload: base64 of the UTF-8 document.

    `vm` and `datastore` are put in as they are; they are documents made by this engine.
    """
    document = (
        f"<{ROOT}><HOST>{escape(data.host)}</HOST><MIGR_HOST>{escape(data.migrate_host)}</MIGR_HOST>"
        f"<DEPLOY_ID>{escape(data.deploy_id)}</DEPLOY_ID>"
        f"<LOCAL_DEPLOYMENT_FILE>{escape(data.local_deployment_file)}</LOCAL_DEPLOYMENT_FILE>"
        f"<REMOTE_DEPLOYMENT_FILE>{escape(data.remote_deployment_file)}</REMOTE_DEPLOYMENT_FILE>"
        f"<CHECKPOINT_FILE>{escape(data.checkpoint_file)}</CHECKPOINT_FILE>"
        "<TM_COMMAND></TM_COMMAND><TM_COMMAND_ROLLBACK></TM_COMMAND_ROLLBACK>"
        f"<DISK_TARGET_PATH>{escape(data.disk_target_path)}</DISK_TARGET_PATH>"
        f"<TRIFID_STEP>{data.step}</TRIFID_STEP>{data.vm}{data.datastore}</{ROOT}>"
    )
    return base64.b64encode(document.encode("utf-8", errors="replace")).decode()


class _Reader:
    """Takes the top-level texts, and the VM and DATASTORE documents as the bytes they are."""

    def __init__(self, document: bytes) -> None:
        self.found: dict[str, str] = {}
        self._document = document
        self._path: list[str] = []
        self._text: list[str] = []
        self._begin = 0
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._path and tag != ROOT:
            raise DriverFault(f"action data must be {ROOT}, is {tag[:40]}")
        self._path.append(tag)
        if len(self._path) == 2:
            self._text.clear()
            self._begin = self.parser.CurrentByteIndex

    def _characters(self, text: str) -> None:
        if len(self._path) == 2:
            self._text.append(text)

    def _end(self, tag: str) -> None:
        if len(self._path) == 2:
            if tag in _TEXTS:
                self.found[_TEXTS[tag]] = "".join(self._text)
            elif tag in _DOCUMENTS:
                # Its end tag begins here; an empty element, <VM/>, has none and has ended here already.
                here = self.parser.CurrentByteIndex
                end_tag = re.compile(rb"</%b[ \t\r\n]*>" % tag.encode()).match(self._document, here)
                end = end_tag.end() if end_tag else here
                self.found[_DOCUMENTS[tag]] = self._document[self._begin : end].decode("utf-8", errors="replace")
        self._path.pop()

    def _refuse_doctype(self, *_: object) -> NoReturn:
        raise DriverFault("action data with a document type declaration")


def parse(payload: str) -> ActionData:
    """Return what a payload says; elements that are not known are passed over.

    Raises:
        DriverFault: not base64, not XML, or not action data.
    """
    try:
        document = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as fault:
        raise DriverFault(f"action data is not base64: {fault}") from None
    reader = _Reader(document)
    try:
        reader.parser.Parse(document, True)
    except (expat.ExpatError, ValueError) as fault:
        raise DriverFault(f"action data is not XML: {fault}") from None
    found = reader.found
    step = found.pop("step", "0").strip()
    if not (step.isascii() and step.isdigit() and len(step) < 19):
        raise DriverFault(f"TRIFID_STEP of action data is not a number: {step[:40]!r}")
    return ActionData(step=int(step), **found)

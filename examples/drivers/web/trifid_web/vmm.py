"""The virtual machine driver `vmm.web`: verbs for the kit, each safe to repeat.

The page of a VM is its attribute PAGE, else its name.
"""

import signal

from trifid.drivers.kit import Failure, Kit, Request, step_of_action_data
from trifid.wire.elements import one_element
from trifid_web.machines import Machine


def deploy(request: Request) -> str:
    """Make the VM run; it runs already: good."""
    machine = _machine(request)
    if not machine.runs():
        machine.start(_page(request))
    return f"one-{request.oid}"


def shutdown(request: Request) -> str:
    """End the VM in an orderly way; it is off already: good."""
    _machine(request).end(signal.SIGTERM)
    return ""


def cancel(request: Request) -> str:
    """End the VM at once."""
    _machine(request).end(signal.SIGKILL)
    return ""


def reboot(request: Request) -> str:
    """End the VM and start it again."""
    machine = _machine(request)
    if not machine.runs():
        raise Failure(f"one-{request.oid} does not run on {request.data().host}")
    machine.end(signal.SIGTERM)
    machine.start(_page(request))
    return ""


def poll(request: Request) -> str:
    """Tell whether the VM runs."""
    return "STATE=a" if _machine(request).runs() else "STATE=d"


def _machine(request: Request) -> Machine:
    return Machine(request.data().host, request.oid)


def _page(request: Request) -> str:
    vm = one_element(request.data().vm, "VM")
    about = vm.get("USER_TEMPLATE")
    page = about.get("PAGE") if isinstance(about, dict) else None
    return page if isinstance(page, str) and page else str(vm.get("NAME", ""))


VERBS = {"DEPLOY": deploy, "SHUTDOWN": shutdown, "CANCEL": cancel, "REBOOT": reboot, "RESET": reboot, "POLL": poll}


def main() -> None:
    """Serve the engine on standard input and output."""
    Kit("vmm-web", VERBS, step_of=step_of_action_data).run()

"""The main job, in the open: a virtual machine out of a template, through its whole life.

    make demo           everything below, in ./demo-home
    make demo-clean     stop the engine, take back what was made, remove ./demo-home

Every command that is shown can be typed as well; set TRIFID_HOME first, as the last step tells.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import machine
from show import Failed, look, run, say, step

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "demo-home"
GUEST = HOME / "guest"
EXAMPLES = ROOT / "examples"
PORT = 2633
HOST = "localhost"
NETWORKS = {"Private LAN": "private-lan.net", "Public LAN": "public-lan.net"}
MONITORED_WAIT_S = 60.0
BOOT_WAIT_S = 60.0
MONITORED = "2"

Document = dict[str, Any]


def main() -> int:
    """Run the demo, or with the word `clean` take it back; return the exit status."""
    os.chdir(ROOT)
    os.environ["PATH"] = os.pathsep.join([str(ROOT / ".venv/bin"), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    os.environ["TRIFID_HOME"] = HOME.name
    for name in ("ONE_AUTH", "ONE_XMLRPC"):
        os.environ.pop(name, None)
    try:
        if sys.argv[1:] == ["clean"]:
            clean()
        else:
            demo()
    except Failed as failed:
        print(f"\nFAILED: {failed}", file=sys.stderr)
        for hint in filter(None, failed.hints):
            print(f"  {hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\ninterrupted; the engine may run on: trifid status --home {HOME.name}", file=sys.stderr)
        return 130
    return 0


def demo() -> None:
    """One step after the other; the first that does not work ends it."""
    made = machine.Made(HOME)

    step("A guest: a kernel of Debian and busybox")
    run("examples/guest/build", str(GUEST.relative_to(ROOT)))

    step("This machine: a network for the guests, and libvirt")
    machine.bridge(made)
    uri = machine.libvirt(made)
    if os.geteuid() == 0:
        machine.reachable(made, HOME)
    else:
        machine.bridge_for_user(made)

    step("The engine")
    start_engine()

    step("This machine as a host")
    add_host()

    step("Two virtual networks: ranged and fixed")
    for name, file in NETWORKS.items():
        add_network(name, file)

    step("A virtual machine out of a template")
    before = leases()
    vm_id = create()
    vm = document("onevm", str(vm_id), "VM")
    address = vm["TEMPLATE"]["NIC"]["IP"]
    directory = HOME / "datastores" / "0" / str(vm_id)
    run("onevm", "list")
    tell_virtualization(uri, vm_id)
    say(f"its disks, in {directory.relative_to(ROOT)}: {', '.join(sorted(p.name for p in directory.iterdir()))}")
    say(f"its address is {address}, and the engine made {vm['TEMPLATE']['NIC']['MAC']} of it: the guest reads it there")

    step(f"The guest answers at http://{address}/")
    say(fetch(f"http://{address}/", vm_id).strip())
    for path in ("/context.txt", "/cgi-bin/info"):
        say(f"-- http://{address}{path}")
        for line in fetch(f"http://{address}{path}", vm_id).strip().splitlines():
            say(line)

    step("Shutdown: the guest is asked to power off, then the epilog cleans up")
    run("onevm", "shutdown", str(vm_id), "--wait", "--verbose", hint=f"see: onevm log {vm_id}")
    check_epilog(directory, before)

    step("What happened to it")
    run("onevm", "log", str(vm_id))
    farewell()


def start_engine() -> None:
    """Have an engine serve from the home: the one that runs, or a new one."""
    if look("trifid", "status") is not None:
        say(f"an engine serves from {HOME.name} already: using it")
        return
    port = free_port()
    settings = HOME / "trifid.toml"
    if not settings.exists():
        run("trifid", "init", "--home", HOME.name, "--drivers", "libvirt", "--port", str(port))
    elif f"port = {port}\n" not in settings.read_text():
        run("trifid", "init", "--home", HOME.name, "--drivers", "libvirt", "--port", str(port), "--force")
    run("trifid", "start", "--home", HOME.name, hint=f"see {HOME.name}/log")


def free_port() -> int:
    """Return the port for clients: the usual one, unless somebody has it."""
    for wanted in (PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            port: int = probe.getsockname()[1]
            if port != PORT:
                say(f"port {PORT} is taken, so clients call at {port}")
            return port
    raise Failed("no port is free on 127.0.0.1")


def add_host() -> None:
    """Add this machine and wait until it is watched."""
    if not any(host["NAME"] == HOST for host in documents("onehost", "HOST")):
        run("onehost", "create", HOST, "--im", "kvm", "--vm", "kvm")
    deadline = time.monotonic() + MONITORED_WAIT_S
    while document("onehost", HOST, "HOST")["STATE"] != MONITORED:
        if time.monotonic() > deadline:
            run("onehost", "show", HOST)
            raise Failed(f"the host {HOST} is not monitored after {MONITORED_WAIT_S:g} s", f"see {HOME.name}/log")
        time.sleep(0.2)
    run("onehost", "list")


def add_network(name: str, file: str) -> None:
    """Create one of the seed's networks unless it is there."""
    if any(network["NAME"] == name for network in documents("onevnet", "VNET")):
        say(f"{name} is there")
        return
    run("onevnet", "create", f"examples/{file}")


def create() -> int:
    """Submit the example and see it come to RUNNING; return its id."""
    template = (EXAMPLES / "vm-example.one").read_text().replace('"GUEST/', f'"{GUEST}/')
    file = HOME / "vm-example.one"
    file.write_text(template)
    say(f"{file.relative_to(ROOT)}:")
    for line in template.splitlines():
        say(f"  {line}")
    hint = 'see "onevm list --done" and "onevm show ID"; "onevm delete ID" removes what is left'
    output = run("onevm", "create", str(file.relative_to(ROOT)), "--wait", "--verbose", hint=hint)
    ids = [line.partition(":")[2] for line in output.splitlines() if line.startswith("ID:")]
    if not ids:
        raise Failed("onevm create told no ID", hint)
    return int(ids[0])


def tell_virtualization(uri: str, vm_id: int) -> None:
    """Say whether the guest runs on KVM or is emulated, as libvirt knows it, and why."""
    domain = look("virsh", "-c", uri, "dumpxml", f"one-{vm_id}") or ""
    kind = re.search("<domain[^>]* type=['\"](\\w+)", domain)
    if kind is None:
        raise Failed(f"libvirt knows no domain one-{vm_id}", f"see: virsh -c {uri} list --all")
    if kind[1] == "kvm":
        say("it runs on KVM, the hardware of this machine")
        return
    say("it is emulated by QEMU (TCG), slower than with KVM, which cannot be used here:")
    for line in (HOME / "log" / "driver-vmm-kvm.log").read_text().splitlines():
        if "no KVM" in line:
            say(f"  {line}")
            return


def fetch(url: str, vm_id: int) -> str:
    """Return a page of the guest, which may still be on its way up."""
    # A proxy of this machine's has no business with the guest.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + BOOT_WAIT_S
    while True:
        try:
            with opener.open(url, timeout=5) as answer:
                text: str = answer.read().decode()
                return text
        except (urllib.error.URLError, OSError) as fault:
            if time.monotonic() > deadline:
                raise Failed(
                    f"{url} does not answer after {BOOT_WAIT_S:g} s: {fault}",
                    f"its console: virsh console one-{vm_id}; its end: onevm delete {vm_id}",
                ) from fault
            time.sleep(0.2)


def leases() -> int:
    """Return how many addresses of the private network are in use."""
    return int(document("onevnet", "Private LAN", "VNET")["USED_LEASES"])


def check_epilog(directory: Path, before: int) -> None:
    """Show that nothing is left of the VM.

    Raises:
        Failed: its directory is there, or its address is not back.
    """
    if directory.exists():
        raise Failed(f"{directory} is still there", "the epilog should have deleted it")
    say(f"its disks are gone: no {directory.relative_to(ROOT)}")
    run("onevnet", "list")
    if (now := leases()) != before:
        raise Failed(f"{now} addresses of Private LAN are in use, {before} were before", "the lease is not back")
    say(f"its address is back: {before} of Private LAN in use, as before")


def document(command: str, name: str, element: str) -> Document:
    """Return what `COMMAND show NAME --json` tells."""
    found = look(command, "show", name, "--json")
    if found is None:
        run(command, "show", name)
        raise Failed(f"{command} show {name} --json tells nothing")
    told: Document = json.loads(found)
    one: Document = told[element]
    return one


def documents(command: str, element: str) -> list[Document]:
    """Return what `COMMAND list --json` tells, as a list however many there are."""
    found = look(command, "list", "--json")
    if found is None:
        run(command, "list")
        raise Failed(f"{command} list --json tells nothing")
    pool: Document = next(iter(json.loads(found).values())) or {}
    some = pool.get(element) or []
    return some if isinstance(some, list) else [some]


def farewell() -> None:
    """Say what can be done now."""
    step("Done; the engine runs on. What to try next")
    for line in (
        f"export TRIFID_HOME=$PWD/{HOME.name} PATH=$PWD/.venv/bin:$PATH",
        "onehost list; onevnet list; onevm list --done",
        f"onevm create {HOME.name}/vm-example.one --wait      # another one; onevm show ID, onevm top",
        "onevm shutdown ID --wait",
        "trifid status                                   # the engine and its drivers",
        "make demo-clean                                 # stops it and removes what the demo made",
    ):
        say(line)


def clean() -> None:
    """Stop the engine, take back what was made on this machine, and remove the home."""
    if not HOME.exists():
        return
    if (HOME / "trifid.toml").exists() and shutil.which("trifid"):
        if look("trifid", "status") is not None:
            running = [vm["ID"] for vm in documents("onevm", "VM")]
            if running:
                run("onevm", "delete", *running, "--wait", "DONE")
        subprocess.run(["trifid", "stop", "--home", HOME.name], check=False)
    machine.undo(machine.Made(HOME))
    shutil.rmtree(HOME)
    say(f"{HOME.name} is removed")


if __name__ == "__main__":
    sys.exit(main())

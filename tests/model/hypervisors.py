"""Hosts that do what is asked of them, and say so or not: what is true, beside what the engine believes."""

import dataclasses

from trifid.core.vm.record import VM, Action

FILES = {
    "prolog", "epilog", "migrate", "clean_source", "delete", "delete_both", "delete_stopped", "stop", "resume",
    "snap_create", "snap_revert", "snap_delete", "resize", "premigrate", "postmigrate", "failmigrate",
}  # fmt: skip
"""Transfers that must not meet a running domain, but for some where it stays or has come to."""

ON_THE_OTHER_HOST = ("clean_source", "postmigrate", "failmigrate")

NEED_NO_DOMAIN = ("DEPLOY", "SHUTDOWN", "CANCEL")


@dataclasses.dataclass
class Domain:
    """A domain on a host."""

    is_paused: bool = False


class Hypervisors:
    """Which host runs the VM."""

    def __init__(self) -> None:
        self.domains: dict[int, Domain] = {}
        self.is_saved = False

    @property
    def runs_on(self) -> int | None:
        """The one host that has its domain."""
        assert len(self.domains) < 2, f"it runs twice: {self.domains}"
        return next(iter(self.domains), None)

    def find(self, vm: VM, action: Action) -> bool:
        """Tell whether the domain is where an action looks for it."""
        return _host(vm, action) in self.domains

    def can(self, vm: VM, action: Action) -> bool:
        """Tell whether what is asked can be done: most of it only to a domain that is there."""
        if action.verb == "RESTORE":
            return self.is_saved or self.find(vm, action)
        return action.family == "tm" or action.verb in NEED_NO_DOMAIN or self.find(vm, action)

    def act(self, vm: VM, action: Action) -> None:
        """Do what is asked."""
        host = _host(vm, action)
        match action.verb:
            case "DEPLOY" | "RESTORE":
                assert self.domains.keys() <= {host}, f"it would run twice: on {host} and {self.domains}"
                self.domains[host] = Domain()
                self.is_saved = False
            case "SHUTDOWN" | "CANCEL" | "SAVE":
                if host in self.domains:
                    del self.domains[host]
                    self.is_saved = action.verb == "SAVE"
            case "MIGRATE" | "MIGRATECOPY":
                if (domain := self.domains.pop(host, None)) is not None:
                    self.domains[vm.current.host_id] = domain
            case verb if verb in FILES:
                allowed = {vm.current.host_id} if verb in ON_THE_OTHER_HOST else set()
                allowed |= {vm.previous.host_id} if verb == "premigrate" else set()
                others = self.domains.keys() - allowed
                assert not others, f"{verb} while the domain runs on {others}"


def _host(vm: VM, action: Action) -> int:
    return (vm.previous if action.previous else vm.current).host_id

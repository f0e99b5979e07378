"""Every state of a virtual machine, once: its two numbers on the wire and its short name.

The numbers, names and holes are those of reference/lifecycle.md §1.  One enum carries both numbers,
so that no code can set one without the other.
"""

import enum

_ACTIVE = 3


class VmState(enum.IntEnum):
    """Where a VM stands.

    A value below 100 is the outer STATE itself.  The others are ACTIVE with an inner LCM_STATE:
    value = 300 + LCM_STATE.  Thousands are further phases of the same state that the wire does not
    tell apart (for example CLEANUP_DELETE: first the domain goes, then the files).
    """

    INIT = 0
    PENDING = 1
    HOLD = 2
    STOPPED = 4
    SUSPENDED = 5
    DONE = 6
    POWEROFF = 8
    UNDEPLOYED = 9
    CLONING = 10
    CLONING_FAILURE = 11

    ACTIVE = 300
    PROLOG = 301
    BOOT = 302
    RUNNING = 303
    MIGRATE = 304
    SAVE_STOP = 305
    SAVE_SUSPEND = 306
    SAVE_MIGRATE = 307
    PROLOG_MIGRATE = 308
    PROLOG_RESUME = 309
    EPILOG_STOP = 310
    EPILOG = 311
    SHUTDOWN = 312
    CLEANUP_RESUBMIT = 315
    UNKNOWN = 316
    HOTPLUG = 317
    SHUTDOWN_POWEROFF = 318
    BOOT_UNKNOWN = 319
    BOOT_POWEROFF = 320
    BOOT_SUSPENDED = 321
    BOOT_STOPPED = 322
    CLEANUP_DELETE = 323
    HOTPLUG_SNAPSHOT = 324
    HOTPLUG_NIC = 325
    HOTPLUG_SAVEAS = 326
    HOTPLUG_SAVEAS_POWEROFF = 327
    HOTPLUG_SAVEAS_SUSPENDED = 328
    SHUTDOWN_UNDEPLOY = 329
    EPILOG_UNDEPLOY = 330
    PROLOG_UNDEPLOY = 331
    BOOT_UNDEPLOY = 332
    HOTPLUG_PROLOG_POWEROFF = 333
    HOTPLUG_EPILOG_POWEROFF = 334
    BOOT_MIGRATE = 335
    BOOT_FAILURE = 336
    BOOT_MIGRATE_FAILURE = 337
    PROLOG_MIGRATE_FAILURE = 338
    PROLOG_FAILURE = 339
    EPILOG_FAILURE = 340
    EPILOG_STOP_FAILURE = 341
    EPILOG_UNDEPLOY_FAILURE = 342
    PROLOG_MIGRATE_POWEROFF = 343
    PROLOG_MIGRATE_POWEROFF_FAILURE = 344
    PROLOG_MIGRATE_SUSPEND = 345
    PROLOG_MIGRATE_SUSPEND_FAILURE = 346
    BOOT_UNDEPLOY_FAILURE = 347
    BOOT_STOPPED_FAILURE = 348
    PROLOG_RESUME_FAILURE = 349
    PROLOG_UNDEPLOY_FAILURE = 350
    DISK_SNAPSHOT_POWEROFF = 351
    DISK_SNAPSHOT_REVERT_POWEROFF = 352
    DISK_SNAPSHOT_DELETE_POWEROFF = 353
    DISK_SNAPSHOT_SUSPENDED = 354
    DISK_SNAPSHOT_DELETE_SUSPENDED = 356
    DISK_SNAPSHOT = 357
    DISK_SNAPSHOT_DELETE = 359
    PROLOG_MIGRATE_UNKNOWN = 360
    PROLOG_MIGRATE_UNKNOWN_FAILURE = 361
    DISK_RESIZE = 362
    DISK_RESIZE_POWEROFF = 363
    DISK_RESIZE_UNDEPLOYED = 364
    HOTPLUG_NIC_POWEROFF = 365
    HOTPLUG_RESIZE = 366
    HOTPLUG_SAVEAS_UNDEPLOYED = 367
    HOTPLUG_SAVEAS_STOPPED = 368
    BACKUP = 369
    BACKUP_POWEROFF = 370
    RESTORE = 371

    RUNNING_LOOK = 1303
    """A shutdown was reported failed: the hypervisor is asked what is true."""
    MIGRATE_LOCATE = 1304
    """A live migration was reported failed, which proves nothing: the target is asked for the VM."""
    MIGRATE_LOCATE_SOURCE = 2304
    """The target does not have it: the source is asked."""
    MIGRATE_LOCATE_ONLY_SOURCE = 3304
    """The target cannot be asked: the source is."""
    MIGRATE_COPY_PREPARE = 4304
    """Its disks are to come along: the target gets empty ones."""
    MIGRATE_COPY = 5304
    """Memory and disks are copied while it runs."""
    MIGRATE_COPY_LOCATE = 6304
    """That was reported failed, which proves nothing: the target is asked for the VM."""
    MIGRATE_COPY_LOCATE_SOURCE = 7304
    MIGRATE_COPY_LOCATE_ONLY_SOURCE = 8304
    MIGRATE_COPY_CONFIRM = 9304
    """The target has it: what is left of the domain on the source goes before the files there."""
    MIGRATE_COPY_DROP = 10304
    """It runs where it was: what the target has of its files goes."""
    MIGRATE_COPY_LOCATE_ONLY_TARGET = 11304
    """The source is proven to run nothing: the target is asked."""
    SAVE_MIGRATE_LOOK = 1307
    """Saving was reported failed: the source is asked what is true; the VM can be nowhere else."""
    SHUTDOWN_HARD = 1312
    """The domain is destroyed before the epilog touches its disks: that it is off is not believed unasked."""
    SHUTDOWN_OFF = 2312
    """The same for a VM that is powered off."""
    BOOT_POWEROFF_LOOK = 1320
    """Switching on again was reported failed, which proves nothing: the hypervisor is asked what is true."""
    UNKNOWN_MIGRATE = 1316
    """A migration is over and neither of the two hosts says that it has the VM; it is charged on both."""
    UNKNOWN_MIGRATE_COPY = 2316
    """The same, and there are two sets of disks."""
    MIGRATE_COPY_FAILURE = 1344
    """It is off on both hosts, each has disks of it, and nobody saw on which it ran last."""
    CLEANUP_DELETE_SOURCE = 2323
    """The domain goes from the host that a migration was to leave, then from the other one."""
    CLEANUP_DELETE_SOURCE_COPY = 5323
    """The same, and both hosts have disks of it."""
    CLEANUP_DELETE_FILES = 1323
    """The domain is gone; its files go."""
    CLEANUP_DELETE_FAILURE = 2340
    """The domain of a deleted VM could not be destroyed; it may run, so its files stay."""
    CLEANUP_FAILURE = 1340
    """The files of a deleted VM could not be removed."""

    CLONING_HELD = 1010
    """As CLONING, to be held when its images are there."""
    POWEROFF_CONTEXT_LOOK = 1008
    """What it is told has changed; before its context image is written anew, its host must say that it is off."""
    POWEROFF_CONTEXT = 2008
    BOOT_FAILURE_CONTEXT_LOOK = 2336
    BOOT_FAILURE_CONTEXT = 3336
    HOTPLUG_SAVEAS_FILES = 1326
    """The hypervisor has made a copy of the disk; it becomes an image."""
    HOTPLUG_SAVEAS_POWEROFF_LOOK = 1327
    HOTPLUG_SAVEAS_SUSPENDED_LOOK = 1328
    PROLOG_MIGRATE_ABANDON_POWEROFF = 3343
    """A move was given up; what had arrived on its target goes."""
    PROLOG_MIGRATE_ABANDON_SUSPEND = 3345
    PAUSED = 1005
    """The domain is there and does not run, and nobody here asked for it: it still holds its host's memory."""
    PENDING_STOPPED = 1001
    """Waits for a host to be restored on, having been stopped."""
    PENDING_UNDEPLOYED = 2001
    """Waits for a host to be booted on, having been undeployed."""
    HOLD_STOPPED = 1002
    HOLD_UNDEPLOYED = 2002
    SAVE_MIGRATE_OFF = 2307
    """A migration by power-off: it shuts down where it is."""
    PROLOG_MIGRATE_OFF = 1308
    PROLOG_MIGRATE_OFF_FAILURE = 1338
    MIGRATE_UNKNOWN_CANCEL = 1360
    """Before a VM that nobody knows about may run elsewhere, its host must say that it does not run there."""
    EPILOG_STOP_LOOK = 1310
    """Before the files of a VM that is off or saved are touched, its host must say that no domain has them open."""
    PROLOG_MIGRATE_POWEROFF_LOOK = 1343
    PROLOG_MIGRATE_SUSPEND_LOOK = 1345
    PROLOG_MIGRATE_POWEROFF_CLEAN = 2343
    """It has moved; what is left on the source goes."""
    PROLOG_MIGRATE_SUSPEND_CLEAN = 2345
    BOOT_MOVED = 1302
    """It boots on the target of a migration."""
    BOOT_MOVED_FAILURE = 1336
    EPILOG_RESUME = 1311
    """A VM that is away from its host ends: its files come back first, since the epilog saves from there."""
    EPILOG_RESUME_FAILURE = 7340
    HOTPLUG_EPILOG_POWEROFF_LOOK = 1334
    DISK_SNAPSHOT_POWEROFF_LOOK = 1351
    DISK_SNAPSHOT_REVERT_POWEROFF_LOOK = 1352
    DISK_SNAPSHOT_DELETE_POWEROFF_LOOK = 1353
    DISK_SNAPSHOT_SUSPENDED_LOOK = 1354
    DISK_SNAPSHOT_DELETE_SUSPENDED_LOOK = 1356
    DISK_RESIZE_POWEROFF_LOOK = 1363
    SHUTDOWN_SUSPENDED = 3312
    """A suspended VM ends: that no domain is left is made sure before its disks are touched."""
    BOOT_PAUSED = 2321
    """A paused domain goes on."""
    BOOT_SUSPENDED_LOOK = 1321
    """Restoring was reported failed, which proves nothing: the hypervisor is asked what is true."""
    UNDEPLOY_OFF = 1329
    """A powered off VM is undeployed: that no domain is left is made sure first."""
    HOTPLUG_ATTACH = 1317
    """The disk is there; the domain gets it."""
    HOTPLUG_UNDO = 2317
    """Attaching was reported failed: it is detached, to be sure."""
    HOTPLUG_DROP = 3317
    """The disk that could not be attached goes."""
    HOTPLUG_DETACH = 4317
    HOTPLUG_EPILOG = 5317
    """The domain has let it go; the disk is saved or deleted."""
    HOTPLUG_DROP_POWEROFF = 1333
    HOTPLUG_CONTEXT = 6317
    """It is told something else from its next boot on; its context image is written anew beside the one it has."""
    HOTPLUG_NIC_UNDO = 1325
    HOTPLUG_NIC_DETACH = 2325
    HOTPLUG_RESIZE_UNDO = 1366
    """Changing the size was reported failed: the old one is asked for, to be sure."""
    HOTPLUG_SNAPSHOT_REVERT = 1324
    HOTPLUG_SNAPSHOT_DELETE = 2324
    CLEANUP_DELETE_STOPPED = 4323
    """The files of a VM that is away from its host go from the front-end, and from the host if any are left."""
    CLEANUP_STOPPED_FAILURE = 3340
    CLEANUP_RESUBMIT_SOURCE = 1315
    CLEANUP_RESUBMIT_SOURCE_COPY = 4315
    CLEANUP_RESUBMIT_FILES = 2315
    CLEANUP_RESUBMIT_STOPPED = 3315
    CLEANUP_RESUBMIT_FAILURE = 4340
    CLEANUP_RESUBMIT_FILES_FAILURE = 5340
    CLEANUP_RESUBMIT_STOPPED_FAILURE = 6340

    @property
    def state(self) -> int:
        """The outer STATE number; 3 for everything ACTIVE."""
        return self.value % 1000 if self.value % 1000 < 100 else _ACTIVE

    @property
    def lcm_state(self) -> int:
        """The inner LCM_STATE number; 0 unless ACTIVE."""
        return 0 if self.value % 1000 < 100 else self.value % 1000 - 300

    @property
    def printable(self) -> str:
        """The name that error messages carry: the LCM name when ACTIVE, else the STATE name."""
        return VmState(self.value % 1000).name if self.value >= 1000 else self.name

    @property
    def short(self) -> str:
        """The four letters that lists show (reference/lifecycle.md §1)."""
        return _SHORT[self.printable]

    @property
    def is_active(self) -> bool:
        """Whether the outer STATE is ACTIVE."""
        return self.value % 1000 >= 100


def _short_names() -> dict[str, str]:
    by_short = {
        "init": "INIT ACTIVE",
        "pend": "PENDING",
        "hold": "HOLD",
        "stop": "STOPPED",
        "susp": "SUSPENDED",
        "done": "DONE",
        "poff": "POWEROFF",
        "unde": "UNDEPLOYED",
        "clon": "CLONING",
        "prol": "PROLOG PROLOG_RESUME PROLOG_UNDEPLOY",
        "boot": "BOOT BOOT_UNKNOWN BOOT_POWEROFF BOOT_SUSPENDED BOOT_STOPPED BOOT_UNDEPLOY BOOT_MIGRATE",
        "runn": "RUNNING",
        "migr": "MIGRATE PROLOG_MIGRATE PROLOG_MIGRATE_POWEROFF PROLOG_MIGRATE_SUSPEND PROLOG_MIGRATE_UNKNOWN",
        "save": "SAVE_STOP SAVE_SUSPEND SAVE_MIGRATE",
        "epil": "EPILOG EPILOG_STOP EPILOG_UNDEPLOY",
        "shut": "SHUTDOWN SHUTDOWN_POWEROFF SHUTDOWN_UNDEPLOY",
        "clea": "CLEANUP_RESUBMIT CLEANUP_DELETE",
        "unkn": "UNKNOWN",
        "drsz": "DISK_RESIZE DISK_RESIZE_POWEROFF DISK_RESIZE_UNDEPLOYED",
        "back": "BACKUP BACKUP_POWEROFF",
        "rest": "RESTORE",
    }
    names = {name: short for short, text in by_short.items() for name in text.split()}
    for state in VmState:
        if state.name.endswith("_FAILURE"):
            names[state.name] = "fail"
        elif "SNAPSHOT" in state.name:
            names[state.name] = "snap"
        elif state.name.startswith("HOTPLUG"):
            names[state.name] = "hotp"
    return names


_SHORT = _short_names()

UNSEEN_WORK = frozenset(
    (
        VmState.POWEROFF_CONTEXT_LOOK,
        VmState.POWEROFF_CONTEXT,
        VmState.BOOT_FAILURE_CONTEXT_LOOK,
        VmState.BOOT_FAILURE_CONTEXT,
    )
)
"""Something is under way that clients see as the rest in which it was asked: it takes moments."""


def printable_state(state: int, lcm_state: int) -> str:
    """Return the name of the two wire numbers, or the numbers themselves when they are holes."""
    try:
        return VmState(state if state != _ACTIVE else 300 + lcm_state).name
    except ValueError:
        return f"{state}/{lcm_state}"

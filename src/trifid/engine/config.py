"""The engine's configuration: HOME/trifid.toml, read once at start."""

import ipaddress
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from trifid.core import restricted_lists as lists
from trifid.core.image.disks import TOLD_BY_IMAGE
from trifid.core.restricted import Restricted, restricted
from trifid.core.showback import Prices
from trifid.core.umask import parse_umask
from trifid.core.user import BUILT_IN_METHODS, is_method_name
from trifid.errors import BadTemplate

REPORTS_MISSED = 3
"""A host that missed fewer reports is never taken for silent."""


class ConfigFault(Exception):
    """The configuration cannot be used; the text names the file, the key and what was expected."""


class Api(msgspec.Struct, forbid_unknown_fields=True):
    """Where clients call.

    Attributes:
        proxies: addresses and networks of proxies that tell in X-Forwarded-For who calls through them.
        upload_bytes_max: largest file that a user may upload to make an image of; 0 = none.
        upload_user_bytes_max: what the uploads of one user may hold together.
        list_order: how pools are listed, newest (DESC) or oldest (ASC) first; users and groups may have their own.
        zone_name: of the one zone that this engine is.
        endpoint: URL at which clients reach it, which the zone tells them; empty = where it listens.
    """

    listen: str = "127.0.0.1"
    port: int = 2633
    proxies: list[str] = []
    list_order: Literal["ASC", "DESC"] = "DESC"
    body_bytes_max: int = 8 * 1024 * 1024
    upload_bytes_max: int = 100 << 30
    upload_user_bytes_max: int = 200 << 30
    zone_name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] = "OpenNebula"
    endpoint: Annotated[str, msgspec.Meta(pattern="^(https?://[!-~]+)?$")] = ""


class Database(msgspec.Struct, forbid_unknown_fields=True):
    """SQLAlchemy URL; a relative SQLite path is relative to the home."""

    url: str = "sqlite:///trifid.db"


class EngineSettings(msgspec.Struct, forbid_unknown_fields=True):
    """Places and times.

    Attributes:
        datastore_location: directory of the datastores, relative to the home or absolute.
        transfer: name of the transfer driver of system datastore 0.
        monitoring_interval_s: how often information drivers report.
        host_lost_after_s: a silent host is in error after this.
        frontend: how transfer scripts call the machine that the engine runs on.
        download_from: networks (CIDR) inside which images may be fetched although they are private,
            link-local or otherwise not of the public internet.
        user_paths: directories, and prefixes of URLs, that ends in "/", whose files any user may name in
            a template (DISK/SOURCE, OS/KERNEL …).  All others only the administrators may name: whatever
            a template names is read with the engine's rights.
        default_umask: three octal digits of what is taken away of the permissions of new objects, of users who have
            no UMASK.
    """

    datastore_location: str = "datastores"
    transfer: str = "shared"
    monitoring_interval_s: int = 30
    host_lost_after_s: int = 90
    frontend: str = "localhost"
    user_paths: list[str] = []
    default_umask: str = "177"
    download_from: list[str] = []


class RestrictedSettings(msgspec.Struct, forbid_unknown_fields=True):
    """What only administrators write in templates: attributes, and `NAME/KEY` for keys of vectors.

    A list that is given stands instead of the usual one.  docs/ownership.md.

    Attributes:
        vm: of VMs and their templates.
        network: of virtual networks, their templates and, as `AR/KEY`, their address ranges.
    """

    vm: tuple[str, ...] = lists.VM_PATHS
    image: tuple[str, ...] = lists.IMAGE_PATHS
    network: tuple[str, ...] = lists.NETWORK_PATHS
    user: tuple[str, ...] = lists.USER_PATHS
    group: tuple[str, ...] = lists.GROUP_PATHS

    @property
    def of_vms(self) -> Restricted:
        """The list of VMs and their templates."""
        return restricted(self.vm)

    @property
    def of_images(self) -> Restricted:
        """The list of images, with what is of DISKs that an image gives to the disks made of it."""
        told = (path.removeprefix("DISK/") for path in self.vm if path.removeprefix("DISK/") in TOLD_BY_IMAGE)
        return restricted((*self.image, *told))

    @property
    def of_networks(self) -> Restricted:
        """The list of networks and their templates."""
        return restricted(self.network)

    @property
    def of_users(self) -> Restricted:
        """The list of users."""
        return restricted(self.user)

    @property
    def of_groups(self) -> Restricted:
        """The list of groups."""
        return restricted(self.group)


class MonitoringSettings(msgspec.Struct, forbid_unknown_fields=True):
    """What is kept of what is measured, and who may read the engine's own figures.

    Attributes:
        keep_raw_s: samples as they were measured.
        keep_5min_s, keep_hour_s: their averages of five minutes, and of hours; 0 = none.
        metrics: /metrics for Prometheus; false = there is none.
        metrics_open: figures of the engine as a whole, which name nobody, are given to whoever reaches the port.
        metrics_objects_max: of so many hosts, and so many VMs, figures of each are given; 0 = none.
    """

    keep_raw_s: Annotated[int, msgspec.Meta(ge=0)] = 4 * 3600
    keep_5min_s: Annotated[int, msgspec.Meta(ge=0)] = 2 * 86400
    keep_hour_s: Annotated[int, msgspec.Meta(ge=0)] = 60 * 86400
    metrics: bool = True
    metrics_open: bool = False
    metrics_objects_max: Annotated[int, msgspec.Meta(ge=0)] = 1000


class NetworkSettings(msgspec.Struct, forbid_unknown_fields=True):
    """Defaults of virtual networks.

    Attributes:
        vlan_start, vxlan_start: where VLAN numbers begin that are chosen for networks that name none.
    """

    mac_prefix: str = "02:00"
    network_size: int = 254
    vlan_start: Annotated[int, msgspec.Meta(ge=1)] = 2
    vxlan_start: Annotated[int, msgspec.Meta(ge=1)] = 2


class SchedulerSettings(msgspec.Struct):
    """What the engine itself does about the scheduler; the other keys of the table are for that process.

    Attributes:
        live_reschedules: running VMs that are marked to be moved (resched, flush) move live where that is possible;
            otherwise they are saved, moved and restored (reference/templates.md §6.1, LIVE_RESCHEDS).
    """

    enabled: bool = True
    live_reschedules: bool = True


class FailoverSettings(msgspec.Struct, forbid_unknown_fields=True):
    """What is done about hosts that are not heard of; docs/host-failure.md.

    Attributes:
        enabled: silent hosts are fenced by themselves, and their VMs started elsewhere; otherwise only somebody's
            word does that (onehost fenced).  FAILOVER=YES or NO of a cluster or host comes first.
        driver: name of the fence driver.
        after_s: a host without any sign of life for so long is fenced.
        hosts_max: so many hosts may be silent at once; with more, nobody is fenced.
        restarts_at_once: so many VMs are handed to the scheduler every five seconds.
        heartbeat_s: hosts that are fenced by themselves renew a heartbeat in the shared datastores so often; 0 = none.
        lease_s: a host that cannot renew its heartbeat for so long ends its VMs by itself, and that it could not counts
            as a proof; 0 = neither.
        margin_s: so much longer the engine waits before it takes it for one.
    """

    enabled: bool = False
    driver: str = "power"
    after_s: Annotated[int, msgspec.Meta(ge=5)] = 90
    hosts_max: Annotated[int, msgspec.Meta(ge=1)] = 2
    restarts_at_once: Annotated[int, msgspec.Meta(ge=1)] = 20
    heartbeat_s: Annotated[int, msgspec.Meta(ge=0, le=60)] = 0
    lease_s: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 0
    margin_s: Annotated[int, msgspec.Meta(ge=5)] = 15


class AuthenticationSettings(msgspec.Struct, forbid_unknown_fields=True):
    """Who may call, and what checks that; docs/authentication.md.

    Attributes:
        methods: that users may have besides core and public, such as ssh and ldap; the driver is asked about them.
        driver: name of the authentication driver.
        default: the method that is asked about users who do not exist; who passes is made one.  Empty: nobody is.
        groups_follow: users that exist get the groups that the driver names, at each login that is not remembered.
        remember_s: a session that was right is not checked again for so long, as long as its user does not change.
        timeout_s: so long the driver may take over one login.
    """

    methods: list[str] = []
    driver: str = "trifid"
    default: str = ""
    groups_follow: bool = False
    remember_s: Annotated[int, msgspec.Meta(ge=0, le=86400)] = 900
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=100)] = 20.0


class HookSettings(msgspec.Struct, forbid_unknown_fields=True):
    """How hooks and webhooks are carried out; docs/events.md.

    Attributes:
        at_once: so many commands run at the same time.
        timeout_s: a command is ended after so long, if the hook has no TIMEOUT of its own.
        retries: a command that failed is run so often again.
        retry_after_s: so long after it failed, then twice as long, and so on.
        log_kept: so many executions of each hook are kept.
        webhook_timeout_s: the other side must have answered by then.
        webhook_give_up_s: what could not be sent so long after it happened is left out.
        webhooks_to: networks (CIDR) of the front-end itself or its link that webhooks may be sent to.
    """

    at_once: Annotated[int, msgspec.Meta(ge=1, le=32)] = 10
    timeout_s: Annotated[int, msgspec.Meta(ge=1, le=86400)] = 300
    retries: Annotated[int, msgspec.Meta(ge=0, le=20)] = 2
    retry_after_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 5.0
    log_kept: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 20
    webhook_timeout_s: Annotated[int, msgspec.Meta(ge=1, le=300)] = 10
    webhook_give_up_s: Annotated[int, msgspec.Meta(ge=1)] = 86400
    webhooks_to: list[str] = []


class EventSettings(msgspec.Struct, forbid_unknown_fields=True):
    """The event stream at /events.

    Attributes:
        streams_max, streams_user_max: so many streams may be open at once, and of one user; 0 = there is no stream.
        heartbeat_s: a stream on which nothing happens says so often that it is there.
    """

    streams_max: Annotated[int, msgspec.Meta(ge=0, le=500)] = 100
    streams_user_max: Annotated[int, msgspec.Meta(ge=0, le=500)] = 20
    heartbeat_s: Annotated[float, msgspec.Meta(gt=0, le=300)] = 15.0


class DriverSettings(msgspec.Struct, forbid_unknown_fields=True):
    """One driver process.

    Attributes:
        executable: absolute, or in HOME/drivers, or beside the running python, or on PATH; empty: what an installed
            package offers as FAMILY.NAME (entry point of the group trifid.drivers).
        arguments: handed over as one argument, unsplit (reference/drivers.md §1).
        timeout_s: an action not answered by then has failed; 0 = wait for ever.
    """

    executable: str = ""
    arguments: str = ""
    timeout_s: float = 600.0


class Drivers(msgspec.Struct, forbid_unknown_fields=True):
    """Drivers by family and name."""

    vmm: dict[str, DriverSettings] = {}
    tm: dict[str, DriverSettings] = {}
    im: dict[str, DriverSettings] = {}
    ds: dict[str, DriverSettings] = msgspec.field(
        default_factory=lambda: {"fs": DriverSettings("trifid-ds-fs", timeout_s=3600.0)}
    )
    vnm: dict[str, DriverSettings] = {}
    fence: dict[str, DriverSettings] = {}
    auth: dict[str, DriverSettings] = msgspec.field(default_factory=lambda: {"trifid": DriverSettings("trifid-auth")})
    hook: dict[str, DriverSettings] = msgspec.field(
        default_factory=lambda: {"hook": DriverSettings("trifid-hook", timeout_s=2 * 86400.0)}
    )


class Config(msgspec.Struct, forbid_unknown_fields=True):
    """Everything in trifid.toml."""

    api: Api = msgspec.field(default_factory=Api)
    database: Database = msgspec.field(default_factory=Database)
    engine: EngineSettings = msgspec.field(default_factory=EngineSettings)
    monitoring: MonitoringSettings = msgspec.field(default_factory=MonitoringSettings)
    network: NetworkSettings = msgspec.field(default_factory=NetworkSettings)
    restricted: RestrictedSettings = msgspec.field(default_factory=RestrictedSettings)
    scheduler: SchedulerSettings = msgspec.field(default_factory=SchedulerSettings)
    failover: FailoverSettings = msgspec.field(default_factory=FailoverSettings)
    authentication: AuthenticationSettings = msgspec.field(default_factory=AuthenticationSettings)
    hooks: HookSettings = msgspec.field(default_factory=HookSettings)
    events: EventSettings = msgspec.field(default_factory=EventSettings)
    showback: Prices = msgspec.field(default_factory=Prices)
    drivers: Drivers = msgspec.field(default_factory=Drivers)


def parse(text: str, source: str) -> Config:
    """Return the configuration that `text` describes.

    Raises:
        ConfigFault: not TOML, an unknown key, or a value of the wrong type.
    """
    try:
        data: dict[str, Any] = tomllib.loads(text)
        config = msgspec.convert(data, Config)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as fault:
        raise ConfigFault(f"{source}: {fault}") from fault
    _check_failover(config, source)
    _check_rules(config, source)
    _check_authentication(config, source)
    _check_networks(config, source)
    return config


def _check_rules(config: Config, source: str) -> None:
    """Refuse lists of attributes, and a umask, that mean nothing."""
    key = "engine.default_umask"
    try:
        parse_umask(config.engine.default_umask)
        for name in RestrictedSettings.__struct_fields__:
            key = f"restricted.{name}"
            restricted(getattr(config.restricted, name))
    except BadTemplate as bad:
        raise ConfigFault(f"{source}: {key}: {bad.message}") from bad


def _check_networks(config: Config, source: str) -> None:
    for word in config.hooks.webhooks_to:
        try:
            ipaddress.ip_network(word, strict=False)
        except ValueError as fault:
            raise ConfigFault(f"{source}: [hooks] webhooks_to: {fault}, expected networks such as 10.0.0.0/8") from None


def _check_failover(config: Config, source: str) -> None:
    """Refuse times with which a host that is well would be taken for a dead one."""
    failover, interval_s = config.failover, config.engine.monitoring_interval_s
    if failover.enabled and failover.after_s < REPORTS_MISSED * interval_s:
        raise ConfigFault(
            f"{source}: [failover] after_s is {failover.after_s}: hosts report every {interval_s} s, so it must be "
            f"{REPORTS_MISSED * interval_s} or more; or lower [engine] monitoring_interval_s"
        )
    if failover.after_s < 3 * failover.heartbeat_s:
        raise ConfigFault(f"{source}: [failover] after_s must be three times heartbeat_s or more")
    if failover.lease_s and (not failover.heartbeat_s or failover.lease_s < 3 * failover.heartbeat_s):
        raise ConfigFault(f"{source}: [failover] lease_s must be 0, or three times heartbeat_s or more")


def _check_authentication(config: Config, source: str) -> None:
    """Refuse methods that nothing would check, and proxies that are no addresses."""
    for proxy in config.api.proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError:
            raise ConfigFault(
                f"{source}: [api] proxies has {proxy[:40]!r}, which is no address and no network"
            ) from None
    told = config.authentication
    for name in told.methods:
        if not is_method_name(name) or name in BUILT_IN_METHODS:
            raise ConfigFault(
                f"{source}: [authentication] methods has {name[:40]!r}: names of small letters, digits, - and _ are "
                f"expected, and {' and '.join(BUILT_IN_METHODS)} are always there"
            )
    if told.default and told.default not in told.methods:
        raise ConfigFault(f"{source}: [authentication] default is {told.default[:40]!r}, which is not in methods")
    if told.methods and told.driver not in config.drivers.auth:
        raise ConfigFault(f"{source}: [authentication] driver {told.driver[:40]!r} is not in [drivers.auth]")


def load(home: Path) -> Config:
    """Read HOME/trifid.toml.

    Raises:
        ConfigFault: missing, unreadable or wrong.
    """
    path = home / "trifid.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as fault:
        raise ConfigFault(f'{path}: {fault.strerror}: make a home with "trifid init --home {home}"') from fault
    return parse(text, str(path))

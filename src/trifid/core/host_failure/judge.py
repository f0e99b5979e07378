"""The signs of life of a host, judged together.

No sign alone says that a host is dead: the network between may be, or libvirt, or the storage.  That all are missing
does not say so either; it is when fencing begins.  Ages are seconds of a clock that does not jump.
"""

import enum

import msgspec


class Judgement(enum.StrEnum):
    """What the signs say."""

    ALIVE = "ALIVE"
    """It is heard of."""
    CUT_OFF = "CUT_OFF"
    """Monitoring does not hear of it, but it renews its heartbeat: it runs, and so may its VMs."""
    SILENT = "SILENT"
    """There is no sign at all, for longer than is allowed."""
    UNSURE = "UNSURE"
    """There is no sign, for too short a time to say anything; or nobody looks."""


class Signs(msgspec.Struct, frozen=True):
    """What is known of a host.

    Attributes:
        is_watched: whether its information driver is there and was asked to watch it.
        monitored_s: since it was heard of, or since it was begun to be watched.
        was_heard: whether it was heard of at all since then.
        domains_s: since its hypervisor listed its domains; None = it never did.
        heartbeat_s: since its heartbeat was seen to change, or was begun to be looked at; None = it has none.
        was_beating: whether it was seen to change at all.
        datastore: where the heartbeat is.
    """

    is_watched: bool
    monitored_s: float
    was_heard: bool = False
    domains_s: float | None = None
    heartbeat_s: float | None = None
    was_beating: bool = False
    datastore: str = ""


def judge(signs: Signs, after_s: float) -> Judgement:
    """Return what the signs of a host say.

    Args:
        after_s: how long a sign may be missing before that means something.
    """
    if signs.was_beating and signs.heartbeat_s is not None and signs.heartbeat_s <= after_s:
        is_heard = signs.was_heard and signs.monitored_s <= after_s
        return Judgement.ALIVE if is_heard or not signs.is_watched else Judgement.CUT_OFF
    if not signs.is_watched:
        return Judgement.UNSURE
    if signs.monitored_s <= after_s:
        return Judgement.ALIVE if signs.was_heard else Judgement.UNSURE
    if signs.heartbeat_s is not None and signs.heartbeat_s <= after_s:
        return Judgement.UNSURE  # the engine has not looked at its heartbeat for long enough
    return Judgement.SILENT


def is_quiet(signs: Signs, after_s: float) -> bool:
    """Tell whether a host may be about to fall silent: it was not heard of for half the time.

    When the front-end is cut off, the reports of all hosts are missing; the one whose report was due first falls silent
    first, and all others are quiet by then: the time is three times that between two reports, or more.
    """
    return signs.is_watched and (not signs.was_heard or signs.monitored_s > after_s / 2)


def described(signs: Signs) -> str:
    """Return the signs in words."""
    told = [
        f"monitoring: {_age(signs.monitored_s, signs.was_heard)}"
        if signs.is_watched
        else "monitoring: its information driver is not up"
    ]
    if signs.domains_s is not None:
        told.append(f"hypervisor: {signs.domains_s:.0f} s ago")
    if signs.heartbeat_s is not None:
        told.append(f"heartbeat on {signs.datastore}: {_age(signs.heartbeat_s, signs.was_beating)}")
    else:
        told.append("heartbeat: none")
    return ", ".join(told)


def _age(age_s: float, was_seen: bool) -> str:
    return f"{age_s:.0f} s ago" if was_seen else f"nothing for {age_s:.0f} s"

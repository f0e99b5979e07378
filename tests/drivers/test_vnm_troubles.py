"""Whose trouble a failure is."""

import pytest

from trifid.drivers.kit import Failure
from trifid.drivers.remote.faults import ConnectionLost
from trifid.drivers.vnm.troubles import Troubles


def test_what_fails_is_the_trouble_of_the_networks_it_is_for_each_reason_once() -> None:
    troubles = Troubles()
    for why, networks in (("no bridge", (2, 1)), ("no dnsmasq", (2,)), ("no bridge", (2,)), ("cannot remove it", ())):
        with troubles.of(*networks):
            raise Failure(why)
    assert troubles.by_network == {1: "no bridge", 2: "no bridge; no dnsmasq"}
    assert troubles.of_none == ["cannot remove it"]
    assert [troubles.have(networks) for networks in ((1, 2), (1, 3), ())] == [True, False, False]


def test_a_lost_connection_is_no_trouble_of_a_network() -> None:
    troubles = Troubles()
    with pytest.raises(ConnectionLost), troubles.of(1):
        raise ConnectionLost("host-a is not reached")
    assert troubles.by_network == {}

"""Documents, the zone, umask, locks and restricted attributes, by pyone as it is on PyPI, through a restart."""

import pyone
import pytest

from tests.system.home import Home


def client(home: Home, session: str) -> pyone.OneServer:
    """Return an unmodified client."""
    return pyone.OneServer(f"http://127.0.0.1:{home.port}/RPC2", session=session)


def test_a_service_keeps_its_documents_and_a_user_opens_them_by_a_umask(home: Home) -> None:
    one = client(home, home.session)
    user_id = one.user.allocate("alice", "secret-1", "core", [1])
    alice = client(home, "alice:secret-1")
    alice.user.update(user_id, 'UMASK="137"', 1)
    service_id = alice.document.allocate('NAME="web"\nBODY="{\\"roles\\": []}"', 100)
    alice.document.allocate("NAME=web", 100)
    alice.document.allocate("NAME=design", 101)
    alice.document.lock(service_id, 2)

    home.stop()
    home.start()

    document = alice.document.info(service_id)
    assert (document.NAME, document.TYPE, document.LOCK.LOCKED) == ("web", "100", 2)
    assert document.TEMPLATE["BODY"] == '{"roles": []}'
    assert (document.PERMISSIONS.OWNER_M, document.PERMISSIONS.GROUP_U, document.PERMISSIONS.OTHER_U) == (1, 1, 0)
    assert [found.NAME for found in alice.documentpool.info(-2, -1, -1, 100).DOCUMENT] == ["web", "web"]
    with pytest.raises(pyone.OneAuthorizationException, match=r"User \[0\] : DOCUMENT is locked"):
        one.document.update(service_id, "BODY=x", 1)
    alice.document.unlock(service_id)
    alice.document.update(service_id, "STATE=2", 1)
    alice.document.delete(service_id)
    with pytest.raises(pyone.OneNoExistsException, match=r"Error getting document \[0\]"):
        alice.document.info(service_id)


def test_a_user_writes_nothing_that_is_restricted_and_an_administrator_does(home: Home) -> None:
    one = client(home, home.session)
    one.user.allocate("alice", "secret-1", "core", [1])
    alice = client(home, "alice:secret-1")
    text = 'NAME=x\nCPU=1\nMEMORY=64\nRAW=[TYPE=kvm,DATA="<a/>"]'
    said = r"\[one.template.allocate\] User \[2\] : VM Template includes a restricted attribute RAW/DATA"
    with pytest.raises(pyone.OneAuthorizationException, match=said):
        alice.template.allocate(text)
    template_id = one.template.allocate(text)
    one.template.chmod(template_id, 1, 1, 0, 0, 0, 0, 1, 0, 0)

    home.stop()
    home.start()

    vm_id = alice.template.instantiate(template_id, "mine", True, "", False)
    assert alice.vm.info(vm_id).TEMPLATE["RAW"]["DATA"] == "<a/>"


def test_exporters_read_the_zone(home: Home) -> None:
    one = client(home, home.session)
    (zone,) = one.zonepool.info().ZONE
    assert (0, 0, f"http://127.0.0.1:{home.port}/RPC2") == (zone.ID, zone.STATE, zone.TEMPLATE["ENDPOINT"])
    status = one.zone.raftstatus()
    assert (status.SERVER_ID, status.STATE, status.LOG_INDEX) == (-1, 0, -1)

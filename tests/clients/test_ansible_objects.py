"""Ansible's modules of networks, images and templates, unmodified: create, converge, change, remove."""

import pyone
import pytest

from tests.clients.tools import Tools
from tests.system.home import Api

pytestmark = pytest.mark.timeout(300)  # Ansible starts a process for each task

READY, DISABLED = pyone.IMAGE_STATES.READY.value, pyone.IMAGE_STATES.DISABLED.value


def test_one_vnet_creates_converges_changes_and_removes(tools: Tools, one: pyone.OneServer, api: Api) -> None:
    one.vn.allocate("NAME = other\nVN_MAD = dummy\nBRIDGE = br1", -1)  # an id of 0 is no id for the module
    tools.converges("networks.yml", "create")
    network = next(network for network in one.vnpool.info(-2, -1, -1).VNET if network.NAME == "bridge-network")
    api.until(lambda: one.vn.info(network.ID).STATE == 1, "the network is READY")
    network = one.vn.info(network.ID)
    (leases,) = network.AR_POOL.AR
    assert (leases.IP, leases.IP_END, leases.SIZE) == ("192.0.2.50", "192.0.2.69", 20)
    assert (network.TEMPLATE["DNS"], network.TEMPLATE["GATEWAY"]) == ("192.0.2.1", "192.0.2.1")

    tools.converges("networks.yml", "change")
    network = one.vn.info(network.ID)
    assert network.TEMPLATE["DNS"] == "192.0.2.2"
    assert [leases.IP for leases in network.AR_POOL.AR] == ["192.0.2.50"]

    assert tools.play("networks.yml", "remove", id=str(network.ID)).changed == 1
    api.until(lambda: [net.NAME for net in one.vnpool.info(-2, -1, -1).VNET] == ["other"], "the network is gone")
    assert tools.play("networks.yml", "remove", id=str(network.ID)).changed == 0


def test_one_template_creates_converges_changes_and_removes(tools: Tools, one: pyone.OneServer) -> None:
    tools.converges("templates.yml", "create")
    (template,) = one.templatepool.info(-2, -1, -1).VMTEMPLATE
    assert (template.NAME, template.UNAME) == ("app1", "oneadmin")
    assert template.TEMPLATE["DISK"] == {
        "DEV_PREFIX": "vd",
        "DISCARD": "unmap",
        "IMAGE": "opensuse-leap-15.2",
        "IMAGE_UNAME": "oneadmin",
        "SIZE": None,
    }

    tools.converges("templates.yml", "change")
    assert one.template.info(template.ID).TEMPLATE["MEMORY"] == "4096"
    assert tools.play("templates.yml", "change", "--check").changed == 1  # as the module's manual says

    tools.converges("templates.yml", "remove")
    assert one.templatepool.info(-2, -1, -1).VMTEMPLATE == []


def test_one_image_creates_converges_changes_and_removes(tools: Tools, one: pyone.OneServer, api: Api) -> None:
    tools.converges("images.yml", "create")
    (image,) = one.imagepool.info(-2, -1, -1).IMAGE
    assert (image.NAME, image.TYPE, image.SIZE, image.STATE) == ("data", 2, 64, READY)
    tools.converges("images.yml", "clone")
    copy, image = one.imagepool.info(-2, -1, -1).IMAGE
    assert (copy.NAME, copy.SIZE) == ("copy", 64)
    tools.converges("images.yml", "rename", id=str(copy.ID))
    assert tools.play("images.yml", "info", id=str(copy.ID)).ok == 4
    tools.converges("images.yml", "disable")
    assert one.image.info(image.ID).STATE == DISABLED
    tools.play("images.yml", "persistent")  # the module does so, and tells of a change, while it is disabled
    assert one.image.info(image.ID).PERSISTENT == 1
    tools.converges("images.yml", "enable")
    assert one.image.info(image.ID).STATE == READY

    for name, left in (("data", ["twin"]), ("twin", [])):
        assert tools.play("images.yml", "remove", image=name).changed == 1
        api.until(
            lambda left=left: [image.NAME for image in one.imagepool.info(-2, -1, -1).IMAGE] == left, "it is gone"
        )
    assert tools.play("images.yml", "remove", image="twin").changed == 0

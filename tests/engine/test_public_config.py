"""What clients learn of the configuration: which drivers there are, and how they behave."""

from trifid.engine.config import AuthenticationSettings, Config, Drivers, DriverSettings, RestrictedSettings
from trifid.engine.public_config import public_config

ANY = DriverSettings("trifid-any", arguments="--password SECRET")


def test_every_driver_is_told_by_its_name():
    told = public_config(Config(drivers=Drivers({"kvm": ANY}, {"ssh": ANY}, {"kvm": ANY}, {"fs": ANY, "lvm": ANY})))
    assert [one["NAME"] for one in told.vectors("VM_MAD")] == ["kvm"]
    assert [one["NAME"] for one in told.vectors("TM_MAD_CONF")] == ["ssh"]
    assert [one["NAME"] for one in told.vectors("DS_MAD_CONF")] == ["fs", "lvm"]
    assert [one["ARGUMENTS"] for one in told.vectors("DATASTORE_MAD")] == ["-d fs", "-d lvm"]


def test_what_only_administrators_write_is_told_as_clients_know_it():
    lists = RestrictedSettings(vm=("NIC/MAC", "MINE"), image=("SOURCE",))
    told = public_config(Config(restricted=lists))
    assert told.all("VM_RESTRICTED_ATTR") == ["NIC/MAC", "MINE"]
    assert told.all("IMAGE_RESTRICTED_ATTR") == ["SOURCE"]
    assert "VM_ADMIN_OPERATIONS" in told.all("GROUP_RESTRICTED_ATTR")
    assert told.single("DEFAULT_UMASK") == "177"


def test_what_a_transfer_driver_does_with_disks_is_told():
    names = ("shared", "qcow2", "ssh", "lvm", "mine")
    told = public_config(Config(drivers=Drivers(tm=dict.fromkeys(names, ANY)))).vectors("TM_MAD_CONF")
    assert {one["NAME"]: (one["LN_TARGET"], one["CLONE_TARGET"], one["SHARED"]) for one in told} == {
        "shared": ("NONE", "SYSTEM", "YES"),
        "qcow2": ("NONE", "SYSTEM", "YES"),
        "ssh": ("SYSTEM", "SYSTEM", "NO"),
        "lvm": ("NONE", "SELF", "YES"),
        "mine": ("NONE", "SYSTEM", "YES"),
    }


def test_which_logins_there_are_is_told_as_upstream_tells_it():
    assert not public_config(Config()).vectors("AUTH_MAD")
    told = public_config(Config(authentication=AuthenticationSettings(methods=["ssh", "ldap"], default="ldap")))
    assert told.vectors("AUTH_MAD") == [{"AUTHN": "ssh,ldap", "EXECUTABLE": "trifid-auth"}]
    assert told.single("DEFAULT_AUTH") == "ldap"

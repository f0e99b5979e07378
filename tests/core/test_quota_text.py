"""Limits as people and programs write them."""

import pytest

from trifid.core import quota_text
from trifid.core.quota import NO_LIMITS, effective
from trifid.core.quota_text import with_limits
from trifid.core.template.scanner import parse
from trifid.errors import Refused


def limits(text, old=NO_LIMITS, of_all=False):
    return with_limits(old, parse(text), of_all=of_all)


def test_cores_are_kept_in_percent_and_all_else_as_it_is_written():
    found = limits('VM=[CPU="4.5",RUNNING_CPU=2,MEMORY=1e+06,VMS=-2]').of("VM", "")
    assert found == {"CPU": 450, "RUNNING_CPU": 200, "MEMORY": 1_000_000, "VMS": -2}


def test_what_is_not_named_stays_and_what_goes_back_to_the_default_is_forgotten():
    old = limits("VM=[VMS=1,CPU=2]\nNETWORK=[ID=3,LEASES=4]")
    new = limits("VM=[VMS=-1]\nNETWORK=[ID=3,LEASES=-1]\nIMAGE=[ID=7,RVMS=0]", old)
    assert new.of("VM", "") == {"CPU": 200}
    assert [(one.kind, one.id) for one in new.resources] == [("VM", ""), ("IMAGE", "7")]


def test_clusters_are_one_set_whatever_their_order():
    old = limits('VM=[CLUSTER_IDS="101,0",VMS=1]')
    assert limits('VM=[CLUSTER_IDS=" 0, 101 ",VMS=2]', old).resources[0].figures == {"VMS": 2}
    with pytest.raises(Refused, match="hold for all clusters together"):
        limits('VM=[CLUSTER_IDS="0",VMS=1]', of_all=True)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("VM=[VMS=1.5]", "must be a whole number"),
        ("VM=[CPU=0.001]", "up to two decimals"),
        ("VM=[VMS=-3]", "from 0 to"),
        ("VM=[VMS=sNaN]", "whole number"),
        ("VM=[VMS=Infinity]", "whole number"),
        ("VM=[VMS=1_0]", "whole number"),
        ("VM=[VMS=1e99]", "from 0 to"),
        ('VM=[VMS=""]', "whole number"),
        ("VM=[VCPU=1]", "VCPU of quota VM is not known: CPU, MEMORY"),
        ("DATASTORE=[SIZE=1]", "ID of quota DATASTORE must be the id of datastores"),
        ("IMAGE=[ID=x,RVMS=1]", "is 'x'"),
        ("IMAGE=[ID=1234567890,RVMS=1]", "the id of images"),
        ('VM=[CLUSTER_IDS="0,",VMS=1]', "ids of clusters"),
        ("HOST=[ID=1]", "quota HOST is not known: DATASTORE, NETWORK, VM, IMAGE are"),
        ("VM=1", "in brackets"),
    ],
)
def test_what_cannot_be_a_limit_is_refused_and_told(text, why):
    with pytest.raises(Refused, match=why):
        limits(text)


def test_there_is_a_bound_on_how_much_may_be_limited(monkeypatch):
    monkeypatch.setattr(quota_text, "RESOURCES_MAX", 1)
    old = limits("IMAGE=[ID=1,RVMS=1]")
    with pytest.raises(Refused, match="limits on 2 resources, 1 are accepted"):
        limits("IMAGE=[ID=2,RVMS=1]", old)


def test_of_own_and_default_limits_the_own_one_holds_unless_it_is_the_default():
    own = limits("VM=[VMS=5,CPU=-2]\nIMAGE=[ID=1,RVMS=1]")
    default = limits("VM=[VMS=1,CPU=1,MEMORY=9]\nNETWORK=[ID=2,LEASES=3]", of_all=True)
    assert sorted(effective(own, default)) == [
        ("IMAGE", "1", "RVMS", 1),
        ("NETWORK", "2", "LEASES", 3),
        ("VM", "", "MEMORY", 9),
        ("VM", "", "VMS", 5),
    ]

"""The commands against a real engine: what they answer as data, what they wait for, what they complete."""

import json
import subprocess
from pathlib import Path

from tests.system.home import BIN, Home, engine

NETWORK = "NAME = lan\nVN_MAD = dummy\nBRIDGE = br0\nAR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 10 ]\n"


def told(home: Home, *words: str, text: str | None = None) -> list[dict]:
    """Return the objects that a command tells as data."""
    answer = json.loads(home.run(*words, "--json", text=text).stdout)
    assert answer["done"], answer
    return answer["objects"]


def completed(home: Home, *words: str) -> list[str]:
    """Return what a shell would offer for the last word, which has only begun."""
    words_of = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    environment = {**home.environment, f"_{words[0].upper()}_COMPLETE": "bash_complete", **words_of}
    done = subprocess.run([BIN / words[0]], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.split()]


def test_a_vm_from_its_host_to_its_template(tmp_path: Path) -> None:
    with engine(tmp_path) as home:
        (host,) = told(home, "onehost", "create", "h1", "--im", "dummy", "--vm", "dummy", "--wait")
        assert host == {"kind": "HOST", "id": 0, "state": "MONITORED"}
        (network,) = told(home, "onevnet", "create", "-", "--wait", text=NETWORK)
        assert network["state"] == "READY"
        image = ("--name", "data", "--type", "DATABLOCK", "--size", "10")
        assert told(home, "oneimage", "create", *image, "--wait")[0]["state"] == "READY"
        described = ("--name", "web", "--cpu", "0.1", "--memory", "64", "--disk", "data", "--nic", "lan")
        assert told(home, "onetemplate", "create", *described) == [{"kind": "VMTEMPLATE", "id": 0}]
        made = told(home, "onetemplate", "instantiate", "web", "--name", "web%i", "--multiple", "2", "--wait")
        assert [vm["state"] for vm in made] == ["RUNNING", "RUNNING"]
        assert completed(home, "onevm", "show", "we") == ["web1", "web0"]

        assert told(home, "onevm", "poweroff", "web0", "--wait")[0]["state"] == "POWEROFF"
        saved = told(home, "onevm", "save", "web0", "saved", "--wait")
        made = [(one["kind"], one["id"]) for one in saved if one["kind"] != "VM"]
        assert made == [("IMAGE", 1), ("VMTEMPLATE", 1)]
        again = told(home, "onetemplate", "instantiate", "saved", "--name", "copy", "--wait")
        assert again[0]["state"] == "RUNNING"

        refused = home.run("onevm", "poweroff", "web0,copy,99", "--wait", "-j", status=255)
        assert [one["id"] for one in json.loads(refused.stdout)["objects"]] == [again[0]["id"]]
        codes = [json.loads(line)["code"] for line in refused.stderr.splitlines()]
        assert codes == [0x0800, 0x0400]
        listed = json.loads(home.run("onevm", "list", "-j", "-f", "NAME~web", "-o", "-ID").stdout)
        assert [vm["NAME"] for vm in listed["VM_POOL"]["VM"]] == ["web0", "web1"]


def test_a_host_is_waited_for_until_it_is_looked_at_again(tmp_path: Path) -> None:
    with engine(tmp_path) as home:
        home.run("onehost", "create", "h1", "--im", "dummy", "--vm", "dummy", "--wait")
        home.run("onehost", "offline", "h1")
        assert told(home, "onehost", "enable", "h1", "--wait")[0]["state"] == "MONITORED"

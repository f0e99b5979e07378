"""What connectors make of every attribute is valid for libvirt: by its schema, and by its program virt-xml-validate."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lxml import etree as lxml_etree

from tests.drivers.libvirt_attributes import HYPERVISORS, templates
from tests.drivers.libvirt_cases import DIRECTORY, ENGINE_ID, GOLDEN, FewNames, vm_of
from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.connector import Hypervisor
from trifid.drivers.libvirt.registry import connector, shipped
from trifid.drivers.libvirt.vm import parse_vm
from trifid.wire.bodies.vm import vm_full

SCHEMA = Path("/usr/share/libvirt/schemas/domain.rng")
PROGRAMS_AT_ONCE = 4

REFUSED = {"kvm": {"OS/BOOTLOADER"}}
"""Attributes that a connector knows only to refuse them."""


def own_domains() -> list[str]:
    """Return the connectors that make domains of their own."""
    return [name for name in shipped() if name in HYPERVISORS]


def domains(name: str, hypervisor: Hypervisor | None = None) -> Iterator[tuple[str, str]]:
    """Yield `NAME/KEY=value` and the domain that a connector makes of it, empty when it refuses it."""
    its, hypervisor = connector(name), hypervisor or HYPERVISORS[name]
    for attribute, text in templates(its):
        document = parse_vm(vm_full(vm_of(text), FewNames()), ENGINE_ID)
        try:
            yield attribute, its.domain_xml(document, DIRECTORY, hypervisor)
        except Failure:
            yield attribute, ""


def test_every_connector_makes_domains_of_its_own_or_those_of_another() -> None:
    own = {id(connector(name).mappings) for name in own_domains()}
    assert all(id(connector(name).mappings) in own for name in shipped())


@pytest.mark.parametrize("name", own_domains())
def test_a_domain_with_any_attribute_of_the_table_is_valid(name: str) -> None:
    if not SCHEMA.exists():
        pytest.fail(f"libvirt is not installed, no {SCHEMA}: run tools/packages guest")
    schema = lxml_etree.RelaxNG(lxml_etree.parse(SCHEMA))
    made = dict(domains(name))
    wrong = {
        attribute: str(schema.error_log.last_error)
        for attribute, text in made.items()
        if text and not schema.validate(lxml_etree.fromstring(text))
    }
    assert wrong == {}
    possible = {attribute.partition("=")[0] for attribute, text in made.items() if text}
    refused = {attribute.partition("=")[0] for attribute in made} - possible
    assert refused == REFUSED.get(name, set())


@pytest.mark.parametrize("name", own_domains())
def test_the_program_of_libvirt_says_the_same(name: str, tmp_path: Path) -> None:
    files = [*GOLDEN.glob("*.xml")] if name == "kvm" else [*(GOLDEN / name).glob("*.xml")]
    for number, (_, text) in enumerate(domains(name)):
        if text:
            files.append(tmp_path / f"{number}.xml")
            files[-1].write_text(text)

    def objection(file: Path) -> str:
        argv = ["virt-xml-validate", str(file), "domain"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        return done.stderr if done.returncode else ""

    with ThreadPoolExecutor(PROGRAMS_AT_ONCE) as pool:
        said = list(pool.map(objection, files))
    assert [text for text in said if text] == []

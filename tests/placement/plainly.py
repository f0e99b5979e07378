"""Requirements, ranks and plans the plain way: one host at a time, straight from reference/templates.md §5.

It shares nothing with the product's parser: an expression is read and answered in one go, character by character.
"""

import fnmatch
import math
import re

from trifid.placement.view import MONITORED

_WORDS = re.compile(r'\s*(?:(-?\d+\.\d+)|(-?\d+)|([A-Za-z]\w*)|"([^"]*)"|(!=|@>|[-=<>&|!()+*/]))', re.ASCII)


class _Words:
    def __init__(self, text):
        self.words = []
        at = 0
        while text[at:].strip():
            found = _WORDS.match(text, at)
            kind = ("float", "integer", "word", "quoted", "operator")[found.lastindex - 1]
            self.words.append((kind, found[found.lastindex]))
            at = found.end()
        self.words.append(("end", ""))

    def peek(self):
        return self.words[0]

    def take(self):
        return self.words.pop(0)

    def took(self, *operators):
        return self.take()[1] if self.words[0][0] == "operator" and self.words[0][1] in operators else None


def _integer(text):
    found = re.match(r"\s*[+-]?[0-9]+", text)
    return int(found[0]) if found else None


def _number(text):
    found = re.match(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text)
    return float(found[0]) if found else None


def meets(text, values_of, dialect="modern"):
    """Whether a host meets a requirement; `values_of(name)` gives every occurrence of an attribute."""
    words = _Words(text)
    if words.peek()[0] == "end":
        return True
    return _expression(words, values_of, dialect)


def _expression(words, values_of, dialect):
    holds = _term(words, values_of, dialect)
    while operator := words.took("&", "|"):
        other = _term(words, values_of, dialect)
        holds = (holds and other) if operator == "&" else (holds or other)
    return holds


def _term(words, values_of, dialect):
    if words.took("!"):
        return not _term(words, values_of, dialect)
    if words.took("("):
        holds = _expression(words, values_of, dialect)
        assert words.took(")")
        return holds
    name = words.take()[1]
    values = values_of(name.upper() if dialect == "classic" else name)
    operator = words.take()[1]
    kind, literal = words.take()
    if kind in ("word", "quoted"):
        if literal == "":
            return False
        if operator == "@>":
            return any(value and fnmatch.fnmatchcase(value, literal) for value in values)
        if not values or not values[0]:
            return False
        return fnmatch.fnmatchcase(values[0], literal) == (operator == "=")
    read = _integer if kind == "integer" else _number
    right = int(literal) if kind == "integer" else float(literal)
    if operator == "@>":
        return any(read(value) == right for value in values)
    left = read(values[0]) if values else None
    if left is None:
        if dialect == "modern" or kind == "float":
            return False
        left = 0
    return {"=": left == right, "!=": left != right, "<": left < right, ">": left > right}[operator]


def rank(text, values_of, dialect="modern"):
    """The rank of a host."""
    words = _Words(text)
    if words.peek()[0] == "end":
        return 0
    try:
        value = _sum(words, values_of, dialect)
    except ZeroDivisionError:
        return 0
    return int(value) if math.isfinite(value) else 0


def _sum(words, values_of, dialect):
    total = _product(words, values_of, dialect)
    while operator := words.took("+", "-"):
        term = _product(words, values_of, dialect)
        total = total + term if operator == "+" else total - term
    return total


def _product(words, values_of, dialect):
    if words.took("-"):
        return -_product(words, values_of, dialect)
    total = _operand(words, values_of, dialect)
    while operator := words.took("*", "/"):
        factor = _operand(words, values_of, dialect)
        total = total * factor if operator == "*" else total / factor
    return total


def _operand(words, values_of, dialect):
    if words.took("-"):
        return -_product(words, values_of, dialect)
    if words.took("("):
        value = _sum(words, values_of, dialect)
        assert words.took(")")
        return value
    kind, text = words.take()
    if kind in ("integer", "float"):
        return float(text)
    values = values_of(text.upper() if dialect == "classic" else text)
    return (_number(values[0]) or 0.0) if values else 0.0


class PlainHost:
    """A host and what was put on it."""

    def __init__(self, view):
        self.view = view
        self.vms = []

    def free(self):
        cpu = self.view.free_cpu_percent - sum(vm.cpu_percent for vm in self.vms)
        return cpu, self.view.free_memory_kib - sum(vm.memory_mib * 1024 for vm in self.vms)

    def values_of(self, name):
        told = self.view.attributes.get(name, [])
        if name == "CURRENT_VMS":
            return [str(one) for one in (*sorted(self.view.vm_ids), *(vm.id for vm in self.vms))]
        if name == "RUNNING_VMS":
            return [str(self.view.running_vms + len(self.vms))]
        if not told or not self.vms or not re.fullmatch(r"\s*[+-]?[0-9]+\s*", told[0]):
            return told
        cpu, memory = sum(vm.cpu_percent for vm in self.vms), sum(vm.memory_mib * 1024 for vm in self.vms)
        change = {"FREE_CPU": -cpu, "CPU_USAGE": cpu, "FREE_MEMORY": -memory, "MEM_USAGE": memory}.get(name)
        return told if change is None else [str(int(told[0]) + change)]


def plan(view, default_rank):
    """[(VM id, host id)] and the ids of the VMs without, one host at a time."""
    hosts = [PlainHost(host) for host in sorted(view.hosts, key=lambda host: host.id)]
    placed, waiting = [], set()
    for vm in sorted(view.vms, key=lambda vm: (-vm.priority, vm.id)):
        best, best_rank = None, None
        for host in hosts:
            cpu, memory = host.free()
            if host.view.state != MONITORED or vm.cpu_percent > cpu or vm.memory_mib * 1024 > memory:
                continue
            if not meets(vm.requirement.text, host.values_of, vm.requirement.dialect):
                continue
            text = vm.rank.text or default_rank
            value = rank(text, host.values_of, vm.rank.dialect)
            if best is None or value > best_rank:
                best, best_rank = host, value
        if best is None:
            waiting.add(vm.id)
        else:
            best.vms.append(vm)
            placed.append((vm.id, best.view.id))
    return placed, waiting

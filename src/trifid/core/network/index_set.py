"""Which indexes of a range are taken: a set of whole numbers that knows its gaps.

A tree of bitmaps.  A part that is wholly free or wholly taken is one number however large it is, so that
a free range of sixteen million addresses, and a long run of taken ones, cost nothing.  Sets are never
changed but made anew, sharing what is the same: drafts keep theirs beside the present one.
Every question but `free_block` takes a number of steps that depends on 2^32 alone.
"""

from collections.abc import Iterator

import msgspec

_LEAF_BITS = 8
_FAN_BITS = 4
_LEVELS = 6
_FAN = 1 << _FAN_BITS
_WIDTHS = tuple(1 << _LEAF_BITS + _FAN_BITS * level for level in range(_LEVELS + 1))
"""How many indexes a node covers, by its level; a leaf has level 0."""
INDEXES_MAX = _WIDTHS[_LEVELS]

_Node = int | tuple["_Node", ...]
"""_FREE, _TAKEN, the bitmap of a leaf, or the nodes of the level below."""
_FREE, _TAKEN = 0, -1
_LEAF_FULL = (1 << _WIDTHS[0]) - 1


class IndexSet(msgspec.Struct, frozen=True):
    """A set of indexes from 0 to INDEXES_MAX-1; equal sets are equal records.

    Attributes:
        count: how many there are.
    """

    root: _Node = _FREE
    count: int = 0

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and 0 <= index < INDEXES_MAX and _is_taken(self.root, index)

    def __iter__(self) -> Iterator[int]:
        """Yield the indexes, lowest first."""
        start = 0
        for first, end in [*_free_runs(self.root), (INDEXES_MAX, INDEXES_MAX)]:
            yield from range(start, first)
            start = end

    def added(self, first: int, last: int | None = None) -> "IndexSet":
        """Return the set with an index, or those from `first` to `last`, added; raises ValueError if it has one."""
        return self._changed(first, last, _FREE, _TAKEN)

    def removed(self, first: int, last: int | None = None) -> "IndexSet":
        """Return the set without an index, or those from `first` to `last`; raises ValueError if one is missing."""
        return self._changed(first, last, _TAKEN, _FREE)

    def _changed(self, first: int, last: int | None, before: int, after: int) -> "IndexSet":
        last = first if last is None else last
        if not 0 <= first <= last < INDEXES_MAX:
            raise ValueError(f"indexes must be 0 to {INDEXES_MAX - 1} and in order, are {first} to {last}")
        number = last - first + 1
        root = _painted(self.root, _LEVELS, first, last, before, after)
        return IndexSet(root, self.count + (number if after == _TAKEN else -number))

    def next_free(self, start: int, end: int) -> int | None:
        """Return the lowest index from `start` on and below `end` that is not in the set, or None."""
        return _below(_first(self.root, _LEVELS, start, _FREE) if start < end else -1, end)

    def next_taken(self, start: int, end: int) -> int | None:
        """Return the lowest index of the set from `start` on and below `end`, or None."""
        return _below(_first(self.root, _LEVELS, start, _TAKEN) if start < end else -1, end)

    def last(self) -> int:
        """Return the highest index of the set, -1 when it is empty."""
        return _last(self.root, _LEVELS)

    def free_block(self, size: int, start: int, end: int) -> int | None:
        """Return where the first `size` indexes in a row begin that are free, from `start` on and below `end`, or None.

        It looks at one gap after the other.
        """
        for first, stop in _free_runs(self.root):
            if first >= end:
                break
            first = max(first, start)
            if min(stop, end) - first >= size:
                return first
        return None


def _below(found: int, end: int) -> int | None:
    return found if 0 <= found < end else None


def _is_taken(node: _Node, index: int) -> bool:
    for level in range(_LEVELS, -1, -1):
        if node in (_FREE, _TAKEN):
            return node == _TAKEN
        if isinstance(node, int):
            return bool(node >> index & 1)
        number, index = divmod(index, _WIDTHS[level - 1])
        node = node[number]
    raise AssertionError("a leaf has no nodes below it")


def _painted(node: _Node, level: int, first: int, last: int, before: int, after: int) -> _Node:
    """Return a node whose indexes from `first` to `last`, all of them `before`, are `after`."""
    if first == 0 and last == _WIDTHS[level] - 1:
        if node != before:
            raise ValueError("an index is there already, or is not there")
        return after
    if level == 0:
        assert isinstance(node, int)
        return _painted_leaf(node, first, last, before, after)
    width = _WIDTHS[level - 1]
    nodes: list[_Node] = list(node) if isinstance(node, tuple) else [node] * _FAN
    for number in range(first // width, last // width + 1):
        base = number * width
        nodes[number] = _painted(
            nodes[number], level - 1, max(first - base, 0), min(last - base, width - 1), before, after
        )
    return after if nodes.count(after) == _FAN else tuple(nodes)


def _painted_leaf(node: int, first: int, last: int, before: int, after: int) -> int:
    bits = (1 << last + 1) - (1 << first)
    present = _LEAF_FULL if node == _TAKEN else node
    if present & bits != (bits if before == _TAKEN else 0):
        raise ValueError("an index is there already, or is not there")
    present ^= bits
    return _TAKEN if present == _LEAF_FULL else present


def _first(node: _Node, level: int, start: int, wanted: int) -> int:
    """Return the lowest index from `start` on that is `wanted`, counted from the node's beginning; -1 for none."""
    if node in (_FREE, _TAKEN):
        return start if node == wanted else -1
    if isinstance(node, int):
        bits = (node if wanted == _TAKEN else node ^ _LEAF_FULL) >> start
        return start + _lowest(bits) if bits else -1
    width = _WIDTHS[level - 1]
    first_number, inside = divmod(start, width)
    for number in range(first_number, _FAN):
        found = _first(node[number], level - 1, inside, wanted)
        if found >= 0:
            return number * width + found
        inside = 0
    return -1


def _last(node: _Node, level: int) -> int:
    """Return the highest index that is taken, counted from the node's beginning; -1 for none."""
    if node in (_FREE, _TAKEN):
        return _WIDTHS[level] - 1 if node == _TAKEN else -1
    if isinstance(node, int):
        return node.bit_length() - 1
    for number in range(_FAN - 1, -1, -1):
        found = _last(node[number], level - 1)
        if found >= 0:
            return number * _WIDTHS[level - 1] + found
    return -1


def _free_runs(root: _Node) -> Iterator[tuple[int, int]]:
    """Yield (first, one past the last) of every gap, lowest first."""
    first = end = 0
    for part_first, part_end in _free_parts(root):
        if part_first != end:
            if first < end:
                yield first, end
            first = part_first
        end = part_end
    if first < end:
        yield first, end


def _free_parts(root: _Node) -> Iterator[tuple[int, int]]:
    """Yield the gaps as the nodes have them: a gap may come in several parts."""
    waiting: list[tuple[_Node, int, int]] = [(root, _LEVELS, 0)]
    while waiting:
        node, level, base = waiting.pop()
        if node == _FREE:
            yield base, base + _WIDTHS[level]
        elif isinstance(node, tuple):
            width = _WIDTHS[level - 1]
            waiting += [(node[number], level - 1, base + number * width) for number in range(_FAN - 1, -1, -1)]
        elif node != _TAKEN:
            free = node ^ _LEAF_FULL
            while free:
                low = _lowest(free)
                length = _lowest(~(free >> low))
                yield base + low, base + low + length
                free = free >> low + length << low + length


def _lowest(bits: int) -> int:
    """Return the position of the lowest 1; there must be one."""
    return (bits & -bits).bit_length() - 1


NOTHING_TAKEN = IndexSet()

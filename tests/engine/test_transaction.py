"""A draft refuses what no database could keep, and nobody else is concerned."""

import pytest

from tests.core.vm.builders import vm
from tests.engine.world import World, host
from trifid.core.vm.record import Needs
from trifid.errors import Refused

TOO_BIG = 1 << 63


@pytest.mark.parametrize(
    ("record", "name"),
    [(host(total_cpu_percent=TOO_BIG), "total_cpu_percent"), (vm(needs=Needs(memory_mib=TOO_BIG)), "needs")],
    ids=["own", "inner"],
)
async def test_a_number_that_fits_in_no_row_refuses_its_command_alone(record, name):
    world = World()
    with pytest.raises(Refused, match=f"{name} has a number beyond"):
        await world.put(record)
    await world.put(host(4))
    assert list(world.memory.hosts) == [4]
    assert not world.turns.failed.done()
    await world.turns.close()

"""What of a document could not be made, by network: the others of the host are made all the same."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from trifid.drivers.kit import Failure
from trifid.drivers.remote.faults import ConnectionLost


class Troubles:
    """Collects why networks could not be made.

    Attributes:
        of_none: troubles that no network has, such as something unused that cannot be removed.
    """

    def __init__(self) -> None:
        self._found: dict[int, list[str]] = {}
        self.of_none: list[str] = []

    @property
    def by_network(self) -> dict[int, str]:
        """Id of a network -> why it could not be made."""
        return {network_id: "; ".join(reasons) for network_id, reasons in sorted(self._found.items())}

    def add(self, networks: Collection[int], why: str) -> None:
        """Note why these networks could not be made."""
        for reasons in [self._found.setdefault(one, []) for one in networks] or [self.of_none]:
            if why not in reasons:
                reasons.append(why)

    def have(self, networks: Collection[int]) -> bool:
        """Tell whether all of these networks could not be made; of none it is not so."""
        return bool(networks) and all(one in self._found for one in networks)

    def take(self, others: "Troubles") -> None:
        """Note what others have noted."""
        for network_id, reasons in others._found.items():
            for why in reasons:
                self.add((network_id,), why)
        for why in others.of_none:
            self.add((), why)

    @contextmanager
    def of(self, *networks: int) -> Iterator[None]:
        """Note the failure of what is done inside as the trouble of these networks.

        Raises:
            ConnectionLost: the host is not reached, which is no trouble of a network.
        """
        try:
            yield
        except ConnectionLost:
            raise
        except Failure as failure:
            self.add(networks, str(failure))

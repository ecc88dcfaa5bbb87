"""The contract of `ServiceRecords`."""

from __future__ import annotations

from collections.abc import Sequence

from noria.testing.records.doors import Doors
from noria.testing.samples import (
    MODEL,
    a_service,
)


class ServiceRecordsContract:
    def test_replaces_by_id_and_forgets(self, records: Doors) -> None:
        records.services.announce(a_service("s-1"))
        records.services.announce(a_service("s-2", model="fare"))
        records.services.announce(a_service("s-1", version=2))
        assert _versions_of(records.services.services()) == {"s-1": 2, "s-2": 1}
        assert _versions_of(records.services.services(MODEL)) == {"s-1": 2}
        records.services.withdraw("s-1")
        records.services.withdraw("never announced")
        assert _versions_of(records.services.services()) == {"s-2": 1}


def _versions_of(services: Sequence[object]) -> dict[str, int]:
    return {service.id: service.version for service in services}  # type: ignore[attr-defined]

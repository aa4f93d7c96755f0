"""What passed over a device's link, as counts."""

from __future__ import annotations

import msgspec


class LinkCounts(msgspec.Struct):
    """What passed over the link since it was created."""

    bytes_in: int = 0
    bytes_out: int = 0
    samples: int = 0
    bad_samples: int = 0
    openings: int = 0
    refused_commands: int = 0
    """Commands given while the link was down: they are dropped, not kept for later."""

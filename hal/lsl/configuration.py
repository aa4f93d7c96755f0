"""Where LSL looks for streams: the ``lsl_api.cfg`` the library reads when it is loaded.

By default LSL asks the whole local network and accepts a stream of the right name from any
machine. For a belt that steers a beam, only this machine or named hosts are accepted.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

Scope = Literal["machine", "link"]
"""This machine alone, or the network segment it is on."""

_HOST = re.compile(r"[A-Za-z0-9.:-]+")


def configuration_text(scope: Scope = "machine", peers: tuple[str, ...] = ()) -> str:
    """Return the file's text: multicast within ``scope``, and ``peers`` asked by name."""
    for peer in peers:
        if _HOST.fullmatch(peer) is None:
            raise ValueError(f"LSL peer {peer!r}: write a host name or an address")
    known = ", ".join(("127.0.0.1", *peers))
    return (
        "[ports]\nIPv6 = disable\n"
        f"[multicast]\nResolveScope = {scope}\n"
        f"[lab]\nKnownPeers = {{{known}}}\n"
        "[log]\nlevel = -2\n"
    )


def confine(folder: Path, scope: Scope = "machine", peers: tuple[str, ...] = ()) -> Path:
    """Write ``lsl_api.cfg`` into a folder and have liblsl read it.

    The library reads it once, when the first stream is looked for or offered in a process;
    call this before.
    """
    path = folder / "lsl_api.cfg"
    path.write_text(configuration_text(scope, peers), encoding="ascii")
    os.environ["LSLAPICFG"] = str(path)
    return path

"""Assemble pictures from packets: order, gaps, repeats, and requests to send packets again.

This module does no I/O. It hands over a picture only when leader, trailer and every byte between
are there and agree with each other; otherwise a `BadSample` says what is missing. Missing packets
are requested when the trailer, a later picture or silence shows the gap.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hal.errors import ProtocolError
from hal.gige.codec import Resend
from hal.gige.multipart import PIECE_HEADER_BYTES, decode_piece, joined
from hal.gige.packets import (
    BYTES_PER_PIXEL,
    GONE,
    LATER,
    LEADER,
    MULTI_PART_PIECE,
    OTHER_KINDS,
    PAYLOAD,
    RESENT,
    STATUS_WORDS,
    TRAILER,
    Leader,
    RefusedPictureError,
    Trailer,
    chunk_problem,
    decode_leader,
    decode_packet,
    decode_trailer,
    packet_room,
)
from hal.messages import BadSample

QUIET_NS = 3_000_000
"""Silence within a picture after which missing packets are asked for."""
RESEND_WAIT_NS = 10_000_000
GIVE_UP_NS = 100_000_000
MOST_RESENDS = 3
MOST_OPEN = 4
MOST_BLOCK = 65_535
MOST_PACKETS = 65_536
"""Most packets of one picture; a larger number is a damaged header."""
CLOCK_JUMP_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class GvspFrame:
    """One whole picture; ``timestamp`` in the camera's ticks, ``number`` counts without wrap."""

    t_ns: int
    number: int
    timestamp: int
    pixels: NDArray[np.uint8] | NDArray[np.uint16]
    resent: int


@dataclass(slots=True)
class _Open:
    """A picture still arriving."""

    block: int
    started_ns: int
    heard_ns: int
    extended: bool
    leader: Leader | None = None
    last: int | None = None
    trailer: Trailer | None = None
    pieces: dict[int, memoryview] = field(default_factory=dict[int, memoryview])
    resent: int = 0
    asked: int = 0
    asked_ns: int = 0
    spoiled: str = ""
    multi_part: bool | None = None
    """Whether its packets are those of a multi-part payload; ``None``: none has come."""

    def missing(self, expected: int | None) -> list[int]:
        """Packet numbers that are known to be missing."""
        last = self.last if self.last is not None else expected
        gone = [] if self.leader is not None else [0]
        if last is None:
            top = max(self.pieces, default=0)
            return gone + [n for n in range(1, top) if n not in self.pieces]
        if self.last is None:
            gone_tail = [last]
        else:
            gone_tail = []
        return gone + [n for n in range(1, last) if n not in self.pieces] + gone_tail


class Reassembly:
    """Assemble the pictures of one stream.

    ``packet_bytes`` is the packet size the camera was set to, ``ticks_hz`` the frequency of
    its timestamps (to see that they advance as time does; 0: it has no clock).
    """

    def __init__(self, device: str, packet_bytes: int, ticks_hz: int) -> None:
        self.device = device
        self.packet_bytes = packet_bytes
        self.ticks_hz = ticks_hz
        self.wanted: list[Resend] = []
        self._open: dict[int, _Open] = {}
        self._closed: list[int] = []
        self._newest: int | None = None
        self._turns = 0
        self._clock: tuple[int, int] | None = None
        self._like: Leader | None = None
        """The sensor region of all pictures: the first region that came twice."""
        self._sure = False

    @property
    def wake_ns(self) -> int | None:
        """When `wake` wants to be called; ``None``: no picture is open."""
        if not self._open:
            return None
        return min(self._due(picture) for picture in self._open.values())

    @staticmethod
    def _due(picture: _Open) -> int:
        give_up = picture.started_ns + GIVE_UP_NS
        if picture.asked >= MOST_RESENDS:
            return min(give_up, picture.asked_ns + RESEND_WAIT_NS)
        quiet = picture.heard_ns + QUIET_NS
        if picture.asked:
            quiet = max(quiet, picture.asked_ns + RESEND_WAIT_NS)
        return min(give_up, quiet)

    def receive(self, data: bytes, now_ns: int) -> list[GvspFrame | BadSample]:
        """Take one datagram of the stream."""
        try:
            packet = decode_packet(data)
        except ProtocolError as error:
            return [BadSample(self.device, now_ns, "GVSP packet", str(error))]
        try:
            picture = self._picture(packet.block, packet.extended, now_ns)
            if picture is None:
                return []
            picture.heard_ns = now_ns
            if packet.status in GONE:
                picture.asked = MOST_RESENDS
            if packet.status in GONE or packet.status in LATER:
                return []
            self._place(picture, packet.kind, packet.number, packet.content)
            picture.resent += packet.status == RESENT
            if packet.status not in (0, RESENT):
                word = STATUS_WORDS.get(packet.status, "a status that is not in the table")
                picture.spoiled = f"the camera reports {word} (0x{packet.status:04x})"
        except RefusedPictureError as error:
            return self._refuse(packet.block, str(error), now_ns)
        except ProtocolError as error:
            return [BadSample(self.device, now_ns, "GVSP packet", str(error))]
        answer: list[GvspFrame | BadSample] = []
        if packet.kind == TRAILER and picture.asked == 0:
            self._ask(picture, now_ns)
        if picture.last is not None and not picture.missing(None):
            answer.append(self._finish(picture, now_ns))
        return answer + self._crowd(now_ns)

    def _refuse(self, block: int, why: str, now_ns: int) -> list[GvspFrame | BadSample]:
        """Give up a picture that is not read, once: what else of it comes is passed over."""
        self._close(self._open[block])
        return [BadSample(self.device, now_ns, "picture refused", f"block {block}: {why}")]

    def _picture(self, block: int, extended: bool, now_ns: int) -> _Open | None:
        """Return the open picture of a block; ``None`` when it was closed before."""
        picture = self._open.get(block)
        if picture is not None:
            return picture
        if block in self._closed:
            return None
        picture = _Open(block, now_ns, now_ns, extended)
        # A packet of a later picture shows that the earlier ones have ended.
        for other in self._open.values():
            if other.asked == 0:
                self._ask(other, now_ns)
        self._open[block] = picture
        return picture

    def _place(self, picture: _Open, kind: int, number: int, content: memoryview) -> None:
        if kind in OTHER_KINDS:
            what = f"{OTHER_KINDS[kind]} packets (kind {kind})"
            raise RefusedPictureError(f"{what}: set the camera to plain images")
        # How a camera cuts several parts into packets is its own affair.
        most = None if picture.multi_part else self._expected_last(picture)
        most = most or MOST_PACKETS
        if number > most:
            raise ProtocolError(f"GVSP packet number {number}, at most {most}")
        if kind == LEADER:
            if number != 0:
                raise ProtocolError(f"GVSP leader with packet number {number}")
            self._place_leader(picture, decode_leader(content))
        elif kind == TRAILER:
            trailer = decode_trailer(content)
            if picture.last not in (None, number):
                picture.spoiled = "two trailers that differ"
            picture.last, picture.trailer = number, trailer
        else:
            assert kind in (PAYLOAD, MULTI_PART_PIECE)
            self._place_piece(picture, kind == MULTI_PART_PIECE, number, content)

    def _place_leader(self, picture: _Open, leader: Leader) -> None:
        total = sum(part.part_bytes for part in leader.parts) or leader.picture_bytes
        if total > self._room(picture, multi_part=bool(leader.parts)) * MOST_PACKETS:
            raise ProtocolError(f"GVSP image of {total} bytes: too many packets")
        before = self._like
        if before is not None and leader.region != before.region:
            self._like = before if self._sure else leader
            raise ProtocolError(f"GVSP image of {leader}, {before} before")
        if picture.leader is not None and picture.leader != leader:
            picture.spoiled = "two leaders that differ"
        picture.leader = leader

    def _place_piece(
        self, picture: _Open, multi_part: bool, number: int, content: memoryview
    ) -> None:
        most = self._room(picture, multi_part=multi_part)
        most += PIECE_HEADER_BYTES if multi_part else 0
        if number == 0 or not 0 < len(content) <= most:
            raise ProtocolError(f"GVSP payload {number} of {len(content)} bytes")
        if multi_part and picture.leader is not None and not picture.leader.parts:
            raise RefusedPictureError(
                f"multi-part packets (kind {MULTI_PART_PIECE}) of what its leader calls one "
                "picture: update the camera's firmware, or enable one component only"
            )
        before = picture.pieces.get(number)
        if before is not None and before != content:
            picture.spoiled = f"packet {number} twice with different content"
        if picture.multi_part is not None and picture.multi_part != multi_part:
            picture.spoiled = "packets of one part and of several in one picture"
        picture.multi_part = multi_part
        picture.pieces[number] = content

    def _room(self, picture: _Open, *, multi_part: bool) -> int:
        """Return how many bytes of picture each packet holds but the last."""
        return packet_room(self.packet_bytes, extended=picture.extended, multi_part=multi_part)

    def _expected_last(self, picture: _Open) -> int | None:
        """Return the trailer's number, from the leader or from the picture before."""
        leader = picture.leader or self._like
        if leader is None or leader.chunks:  # the leader does not tell how long the chunk data are
            return None
        room = self._room(picture, multi_part=bool(leader.parts))
        sizes = [part.part_bytes for part in leader.parts] or [leader.picture_bytes]
        return sum(-(-size // room) for size in sizes) + 1

    def _ask(self, picture: _Open, now_ns: int) -> None:
        """Ask for what is missing, ranges together."""
        missing = picture.missing(self._expected_last(picture))
        if not missing:
            return
        picture.asked += 1
        picture.asked_ns = now_ns
        start = previous = missing[0]
        for number in [*missing[1:], -1]:
            if number != previous + 1:
                self.wanted.append(Resend(0, picture.block, start, previous, picture.extended))
                start = number
            previous = number

    def wake(self, now_ns: int) -> list[GvspFrame | BadSample]:
        """Ask for missing packets or give a picture up; called at `wake_ns` or later."""
        answer: list[GvspFrame | BadSample] = []
        for picture in list(self._open.values()):
            if now_ns < self._due(picture):
                continue
            late = now_ns >= picture.started_ns + GIVE_UP_NS
            if late or picture.asked >= MOST_RESENDS:
                answer.append(self._drop(picture, now_ns))
            else:
                before = picture.asked
                self._ask(picture, now_ns)
                if picture.asked == before:
                    # No packet is known to be missing: the trailer is, or the sizes disagree.
                    picture.asked, picture.asked_ns = MOST_RESENDS, now_ns
        return answer

    def _crowd(self, now_ns: int) -> list[GvspFrame | BadSample]:
        """Give up the oldest picture when too many are open."""
        if len(self._open) <= MOST_OPEN:
            return []
        return [self._drop(next(iter(self._open.values())), now_ns)]

    def _drop(self, picture: _Open, now_ns: int) -> BadSample:
        missing = picture.missing(self._expected_last(picture))
        last = picture.last if picture.last is not None else self._expected_last(picture)
        total = "an unknown number" if last is None else str(last + 1)
        self._close(picture)
        return BadSample(
            self.device,
            now_ns,
            "incomplete frame",
            f"block {picture.block}: {len(missing)} of {total} packets missing",
        )

    def _close(self, picture: _Open) -> None:
        del self._open[picture.block]
        self._closed = [*self._closed[-31:], picture.block]

    def _finish(self, picture: _Open, now_ns: int) -> GvspFrame | BadSample:
        """Make a picture of packets that are all there, if they agree."""
        self._close(picture)
        leader = picture.leader
        assert leader is not None
        why = picture.spoiled or self._disagreement(picture, leader)
        if why:
            return BadSample(
                self.device, now_ns, "inconsistent frame", f"block {picture.block}: {why}"
            )
        self._sure = self._like is not None
        self._like = leader
        data = self._bytes_of(picture, leader)
        size = BYTES_PER_PIXEL[leader.pixel_format]
        used = leader.picture_bytes - leader.padding_y
        rows = np.frombuffer(data, dtype=np.uint8, count=used).reshape(leader.height, -1)
        picture_rows = rows[:, : leader.width * size]
        pixels = picture_rows if size == 1 else np.ascontiguousarray(picture_rows).view("<u2")
        return GvspFrame(
            picture.started_ns, self._unwrap(picture), leader.timestamp, pixels, picture.resent
        )

    @staticmethod
    def _bytes_of(picture: _Open, leader: Leader) -> bytes:
        """Return the bytes of the picture; raises `ProtocolError` where parts are not whole."""
        contents = [picture.pieces[n] for n in range(1, picture.last or 0)]
        if not leader.parts:
            return b"".join(contents)
        return joined(leader.parts, [decode_piece(each) for each in contents], leader.part)

    def _disagreement(self, picture: _Open, leader: Leader) -> str:
        """Return why the packets do not make one picture, or nothing."""
        last = picture.last or 0
        trailer = picture.trailer or Trailer(0)
        several = bool(leader.parts)
        if picture.multi_part not in (None, several) or trailer.multi_part != several:
            return "leader, packets and trailer differ in whether there are several parts"
        # Some cameras leave the trailer's height empty.
        if trailer.height not in (0, leader.height):
            return f"trailer says {trailer.height} rows, leader {leader.height}"
        if several:
            try:
                self._bytes_of(picture, leader)
            except ProtocolError as error:
                return str(error)
            return self._clock_jump(picture, leader)
        room = self._room(picture, multi_part=False)
        sizes = [len(picture.pieces[n]) for n in range(1, last) if n in picture.pieces]
        wrong = self._wrong_size(picture, leader, trailer, sum(sizes))
        if wrong or len(picture.pieces) != last - 1:
            return wrong or f"{len(picture.pieces)} packets of picture, trailer is number {last}"
        if any(size != room for size in sizes[:-1]):
            return f"a packet shorter than {room} bytes before the last"
        return self._clock_jump(picture, leader)

    @staticmethod
    def _wrong_size(picture: _Open, leader: Leader, trailer: Trailer, size: int) -> str:
        """Return why so many bytes are not the picture of the leader, or nothing."""
        if not leader.chunks:
            if size == leader.picture_bytes:
                return ""
            return f"{size} bytes of picture, leader says {leader.picture_bytes}"
        if trailer.chunk_bytes not in (0, size, size - leader.picture_bytes):
            return f"{size} bytes with chunk data, trailer says {trailer.chunk_bytes}"
        data = b"".join(picture.pieces[number] for number in sorted(picture.pieces))
        return chunk_problem(data, leader.picture_bytes)

    def _clock_jump(self, picture: _Open, leader: Leader) -> str:
        """Return whether the camera's clock went on as the host's did."""
        if not self.ticks_hz:
            return ""
        ticks_ns = leader.timestamp * 1_000_000_000 // self.ticks_hz
        before, self._clock = self._clock, (picture.started_ns, ticks_ns)
        if before is None:
            return ""
        jump = (ticks_ns - before[1]) - (picture.started_ns - before[0])
        if abs(jump) > CLOCK_JUMP_NS:
            return f"the camera's clock jumped by {jump / 1e9:.3f} s"
        return ""

    def _unwrap(self, picture: _Open) -> int:
        """Return a frame count that continues when the 16-bit block id starts again at 1."""
        if picture.extended:
            return picture.block
        if self._newest is not None:
            step = picture.block - self._newest
            if step < -MOST_BLOCK // 2:
                self._turns += 1
            elif step > MOST_BLOCK // 2:
                return picture.block + (self._turns - 1) * MOST_BLOCK
        self._newest = picture.block
        return picture.block + self._turns * MOST_BLOCK

"""The conversation with a GigE Vision camera over its control port: a table of phases, no I/O.

Each phase is a script that yields commands and is sent their answers; the table says which
phase follows which. One command is unanswered at a time and is repeated until it is answered.
After the last phase the camera streams; a register read at intervals keeps the control privilege.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import Annotated

import msgspec
from msgspec import Meta

from hal.errors import DeviceError, LinkError, ProtocolError
from hal.events import Command, SendExpose
from hal.gige.codec import (
    CONTROL,
    CONTROL_EXCLUSIVE,
    CONTROL_SHARED_WRITE,
    DISCOVERY,
    DO_NOT_FRAGMENT,
    HEARTBEAT_MS,
    MOST_MEMORY,
    PACKET_SIZE,
    PENDING,
    SECOND_XML_URL,
    STATUS,
    STREAM_DESTINATION,
    STREAM_PORT,
    TICK_FREQUENCY_HIGH,
    TICK_FREQUENCY_LOW,
    WRITEMEM,
    WRITEREG,
    XML_URL,
    XML_URL_BYTES,
    Ack,
    GigeIdentity,
    GvcpAsk,
    Resend,
    decode_ack,
    decode_identity,
    encode_command,
    memory_bytes,
    read_memory,
    read_register,
    register_value,
    resend,
    write_register,
)
from hal.gige.genicam import FeatureMap, unpack_description
from hal.messages import Sample

ANSWER_NS = 200_000_000
MOST_TRIES = 4
_BUSY = 0x8007
_NO_ANSWER = 0x8FFF
_LONGEST_DESCRIPTION = 16 * 1024 * 1024
"""Bytes; the largest known are below 2 MiB."""
Script = Generator[GvcpAsk, Ack, None]


class GigeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One camera: where it is, and how it is to be set before it streams.

    ``features`` are set in their order by GenICam name. ``packet_bytes`` is the size on the
    wire; 1400 passes every network, 8000 and more needs jumbo frames and costs far less.
    """

    device: str
    host: str
    serial: str = ""
    port: Annotated[int, Meta(ge=1, le=65_535)] = 3956
    packet_bytes: Annotated[int, Meta(ge=576, le=16_000)] = 1400
    heartbeat_ms: Annotated[int, Meta(ge=500, le=60_000)] = 3000
    features: dict[str, int | float | str | bool] = {}


class GigeSession:
    """Start a camera, let it stream and keep control of it; see `hal.ports.Conversation`.

    ``stream`` is where the pictures are to go: IPv4 address and UDP port of this host.
    """

    def __init__(self, settings: GigeSettings, stream: tuple[str, int]) -> None:
        self.settings = settings
        self.stream = stream
        self.identity: GigeIdentity | None = None
        self.features: FeatureMap | None = None
        self.ticks_hz = 0
        """Frequency of the camera's time stamps; 0: it has none, or does not say."""
        self.phase = "closed"
        self._start_clean()

    def _start_clean(self) -> None:
        self._outgoing: deque[bytes] = deque()
        self._scripts: deque[tuple[str, Script]] = deque()
        self._script: Script | None = None
        self._request_id = 0
        self._in_air: tuple[int, GvcpAsk, bytes] | None = None
        self._tries = 0
        self._deadline_ns = 0
        self._beat_ns = 0
        self.stopping: list[GvcpAsk] = []
        """What ends the stream; known before it starts, so that no answer is needed at the end."""

    @property
    def ready(self) -> bool:
        """Whether pictures may come and the trigger may be pulled."""
        return self.phase == "streaming"

    @property
    def wake_ns(self) -> int | None:
        """When the next repeat or heartbeat is due."""
        if self._in_air is not None:
            return self._deadline_ns
        return self._beat_ns if self.ready else None

    def begin(self, now_ns: int) -> None:
        """Start from the beginning: every phase of the table, in order."""
        self._start_clean()
        for name, script in PHASES:
            self._scripts.append((name, script(self)))
        self._advance(None, now_ns)

    def receive(self, data: bytes, now_ns: int) -> list[Sample]:
        """Take one datagram of the control port; raises `LinkError` when control is lost."""
        try:
            ack = decode_ack(data)
        except ProtocolError:
            return []
        if self._in_air is None or ack.request_id != self._in_air[0]:
            return []
        if ack.answer == PENDING:
            wait_ms = int.from_bytes(ack.payload[2:4], "big") if len(ack.payload) == 4 else 1000
            self._deadline_ns = now_ns + max(ANSWER_NS, wait_ms * 1_000_000)
            return []
        ask = self._in_air[1]
        if ack.answer != ask.command + 1:
            return []
        if ack.status == _BUSY and self._tries < MOST_TRIES:
            return []
        if ack.status and not ask.may_fail:
            raise LinkError(self._complaint(ask, ack.status))
        self._in_air = None
        self._advance(ack, now_ns)
        return []

    def wake(self, now_ns: int) -> list[Sample]:
        """Repeat an unanswered command, or read a register to keep control."""
        if self._in_air is not None:
            if now_ns < self._deadline_ns:
                return []
            request_id, ask, datagram = self._in_air
            if self._tries >= MOST_TRIES and ask.may_fail:
                self._in_air = None
                self._advance(Ack(_NO_ANSWER, ask.command + 1, request_id, b""), now_ns)
                return []
            if self._tries >= MOST_TRIES:
                raise LinkError(
                    f"{self.settings.host}: no answer to command 0x{ask.command:04x} (request "
                    f"{request_id}) after {self._tries} tries in phase {self.phase!r}"
                )
            self._tries += 1
            self._deadline_ns = now_ns + ANSWER_NS
            self._outgoing.append(datagram)
        elif self.ready and now_ns >= self._beat_ns:
            self._scripts.append(("streaming", _heartbeat(self)))
            self._advance(None, now_ns)
        return []

    def obey(self, command: Command, now_ns: int) -> None:
        """Trigger the exposure by software; refuse every other command."""
        if not isinstance(command, SendExpose):
            raise DeviceError(f"{self.settings.device}: a camera cannot {type(command).__name__}")
        if not self.ready or self.features is None:
            raise DeviceError(f"{self.settings.device}: not streaming, cannot expose")
        self._scripts.append(("streaming", self.features.execute("TriggerSoftware", checked=False)))
        if self._script is None:
            self._advance(None, now_ns)

    def resend(self, wanted: Resend) -> None:
        """Ask for packets once more; the camera does not acknowledge this, it sends them."""
        self._request_id = self._request_id % 65_535 + 1
        ask = resend(wanted)
        self._outgoing.append(encode_command(ask, self._request_id, ack_wanted=False))

    def farewell(self, now_ns: int) -> None:
        """Stop the stream and release control: two commands whose answers are not awaited."""
        self._in_air, self._script = None, None
        self._scripts.clear()
        for ask in self.stopping:
            self._queue(ask)
        self._queue(write_register(STREAM_PORT, 0))
        self._queue(write_register(CONTROL, 0))
        self.phase = "closed"

    def data_to_send(self) -> bytes:
        """Return the next datagram for the control port, or nothing."""
        return self._outgoing.popleft() if self._outgoing else b""

    def _queue(self, ask: GvcpAsk) -> bytes:
        self._request_id = self._request_id % 65_535 + 1
        datagram = encode_command(ask, self._request_id)
        self._outgoing.append(datagram)
        return datagram

    def _advance(self, ack: Ack | None, now_ns: int) -> None:
        """Send the answer into the script, and the next command to the camera."""
        while self._in_air is None:
            if self._script is None:
                if not self._scripts:
                    self.phase = "streaming"
                    self._beat_ns = now_ns + self.settings.heartbeat_ms * 250_000
                    return
                self.phase, self._script = self._scripts.popleft()
                ack = None
            try:
                ask = next(self._script) if ack is None else self._script.send(ack)
            except StopIteration:
                self._script = None
                continue
            datagram = self._queue(ask)
            self._in_air = (self._request_id, ask, datagram)
            self._tries = 1
            self._deadline_ns = now_ns + ANSWER_NS

    def _complaint(self, ask: GvcpAsk, status: int) -> str:
        word = STATUS.get(status, "error")
        where = ask.payload[:4].hex() or "-"
        return (
            f"{self.settings.host}: command 0x{ask.command:04x} at 0x{where} refused in phase "
            f"{self.phase!r}: {word} (0x{status:04x})"
        )


def _identify(session: GigeSession) -> Script:
    ack = yield GvcpAsk(DISCOVERY)
    identity = decode_identity(ack.payload)
    wanted = session.settings.serial
    if wanted and identity.serial != wanted:
        raise LinkError(
            f"{session.settings.host}: camera has serial {identity.serial!r}, {wanted!r} expected"
        )
    session.identity = identity


def _claim(session: GigeSession) -> Script:
    yield write_register(CONTROL, CONTROL_SHARED_WRITE)
    yield write_register(HEARTBEAT_MS, session.settings.heartbeat_ms)
    session.ticks_hz = yield from _tick_frequency()


def _tick_frequency() -> Generator[GvcpAsk, Ack, int]:
    """Read how fast the camera's clock counts; 0 where it does not say."""
    parts: list[int] = []
    for address in (TICK_FREQUENCY_HIGH, TICK_FREQUENCY_LOW):
        ack = yield read_register(address, may_fail=True)
        if ack.status:
            return 0
        parts.append(register_value(ack))
    return parts[0] << 32 | parts[1]


def _describe(session: GigeSession) -> Script:
    """Read the camera's description from where its first address says, else its second."""
    refusals: list[str] = []
    for url in (XML_URL, SECOND_XML_URL):
        wanted = read_memory(url, XML_URL_BYTES)._replace(may_fail=bool(refusals))
        ack = yield wanted
        if ack.status:
            break
        text = memory_bytes(ack, url, XML_URL_BYTES).split(b"\0", 1)[0].decode("latin-1")
        try:
            name, address, length = _local_file(text)
        except LinkError as error:
            refusals.append(str(error))
            continue
        data = b""
        while len(data) < length:
            count = min(MOST_MEMORY, (length - len(data) + 3) // 4 * 4)
            at = address + len(data)
            data += memory_bytes((yield read_memory(at, count)), at, count)
        session.features = FeatureMap(unpack_description(data[:length], name))
        return
    raise LinkError(refusals[0])


def _local_file(text: str) -> tuple[str, int, int]:
    """Return name, address and length of a description that lies in the camera's memory."""
    kind, _, rest = text.partition(":")
    parts = rest.split("?")[0].split(";")
    if kind.lower() != "local" or len(parts) != 3:
        raise LinkError(f"camera description at {text!r}: only Local:name;address;length is read")
    try:
        name, address, length = parts[0].lstrip("/"), int(parts[1], 16), int(parts[2], 16)
    except ValueError as error:
        raise LinkError(f"camera description at {text!r}: no address") from error
    if not 0 < length <= _LONGEST_DESCRIPTION or not 0 <= address <= 0xFFFF_FFFF - length:
        raise LinkError(
            f"camera description at {text!r}: {length} bytes, 1 to {_LONGEST_DESCRIPTION} are read"
        )
    return name, address, length


def _configure(session: GigeSession) -> Script:
    features = _known(session)
    for name, value in session.settings.features.items():
        yield from features.write(name, value)


def _stream(session: GigeSession) -> Script:
    address, port = session.stream
    there = int.from_bytes(bytes(int(part) for part in address.split(".")), "big")
    yield write_register(STREAM_DESTINATION, there)
    yield write_register(PACKET_SIZE, DO_NOT_FRAGMENT | session.settings.packet_bytes)
    yield write_register(STREAM_PORT, port)


def _start(session: GigeSession) -> Script:
    features = _known(session)
    if "AcquisitionStop" in features:
        session.stopping = yield from _writes_of(features.execute("AcquisitionStop", checked=False))
    yield from features.execute("AcquisitionStart")


def _writes_of(script: Script) -> Generator[GvcpAsk, Ack, list[GvcpAsk]]:
    """Run a script without its writes, and return these; none where it cannot be run."""
    writes: list[GvcpAsk] = []
    try:
        ask = next(script)
        while True:
            if ask.command in (WRITEREG, WRITEMEM):
                writes.append(ask)
                ask = script.send(Ack(0, ask.command + 1, 0, b""))
            else:
                ask = script.send((yield ask))
    except StopIteration:
        return writes
    except DeviceError:  # the stream can be ended without it
        return []


def _heartbeat(session: GigeSession) -> Script:
    held = register_value((yield read_register(CONTROL)))
    if not held & (CONTROL_EXCLUSIVE | CONTROL_SHARED_WRITE):
        raise LinkError(f"{session.settings.host}: control lost (register 0x{held:08x})")


def _known(session: GigeSession) -> FeatureMap:
    if session.features is None:
        raise DeviceError(f"{session.settings.device}: the camera's description is not read yet")
    return session.features


PHASES: tuple[tuple[str, Callable[[GigeSession], Script]], ...] = (
    ("identify", _identify),
    ("claim", _claim),
    ("describe", _describe),
    ("configure", _configure),
    ("stream", _stream),
    ("start", _start),
)
"""The start-up, in order; after the last one the session is ``streaming``."""

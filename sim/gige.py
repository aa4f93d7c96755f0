"""Simulate a GigE Vision camera: the twin of `hal.gige`, which speaks GVCP and GVSP.

`GigeTwin` is the camera as a state table (registers, memory, trigger, resend), no I/O;
`GigeTwinServer` puts it on UDP sockets in a thread. What it sees is whatever ``scene`` draws
for a moment. Losses are part of it: every n-th packet vanishes unless asked for again.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hal.errors import ProtocolError
from hal.gige import codec
from hal.gige.multipart import INTENSITY, PICTURE_2D, Part
from hal.gige.packets import (
    MONO8,
    MONO16,
    RESENT,
    UNAVAILABLE,
    GvspPacket,
    Leader,
    encode_packet,
    multi_part_packets_of,
    packets_of,
)

Picture = NDArray[np.uint8] | NDArray[np.uint16]
Scene = Callable[[int], Picture]
"""Returns the picture that the camera sees at a moment (nanoseconds of its own clock)."""

_XML_ADDRESS = 0x1_0000
_WIDTH, _HEIGHT, _FORMAT, _RATE = 0x100, 0x104, 0x108, 0x10C
_ACQUISITION, _TRIGGER_MODE, _TRIGGER, _EXPOSURE = 0x110, 0x114, 0x118, 0x11C
_KEPT = 8
"""The number of pictures kept, so that their packets can be sent again."""
_CONTROL_LEASE = (codec.CONTROL_EXCLUSIVE, codec.CONTROL_SHARED_WRITE)


def _integer(name: str, address: int) -> str:
    return (
        f'<Integer Name="{name}"><pValue>{name}Register</pValue><Min>1</Min><Max>65535</Max>'
        f"</Integer>{_register(name + 'Register', address)}"
    )


def _register(name: str, address: int) -> str:
    return (
        f'<IntReg Name="{name}"><Address>0x{address:x}</Address><Length>4</Length>'
        "<AccessMode>RW</AccessMode><pPort>Device</pPort><Sign>Unsigned</Sign>"
        "<Endianess>BigEndian</Endianess></IntReg>"
    )


def description() -> bytes:
    """Return the camera's GenICam file."""
    parts = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<RegisterDescription ModelName="Twin" VendorName="tidetrack" '
        'xmlns="http://www.genicam.org/GenApi/Version_1_0">',
        '<Port Name="Device"/>',
        _integer("Width", _WIDTH),
        _integer("Height", _HEIGHT),
        '<Enumeration Name="PixelFormat">',
        f'<EnumEntry Name="Mono8"><Value>{MONO8}</Value></EnumEntry>',
        f'<EnumEntry Name="Mono16"><Value>{MONO16}</Value></EnumEntry>',
        "<pValue>PixelFormatRegister</pValue></Enumeration>",
        _register("PixelFormatRegister", _FORMAT),
        '<Float Name="AcquisitionFrameRate"><pValue>RateConverter</pValue><Min>0.1</Min>'
        "<Max>1000</Max></Float>",
        '<Converter Name="RateConverter"><FormulaTo>1000000 / FROM</FormulaTo>'
        "<FormulaFrom>1000000 / TO</FormulaFrom><pValue>PeriodRegister</pValue></Converter>",
        _register("PeriodRegister", _RATE),
        '<Enumeration Name="TriggerMode"><EnumEntry Name="Off"><Value>0</Value></EnumEntry>'
        '<EnumEntry Name="On"><Value>1</Value></EnumEntry>'
        "<pValue>TriggerModeRegister</pValue></Enumeration>",
        _register("TriggerModeRegister", _TRIGGER_MODE),
        '<Command Name="TriggerSoftware"><pValue>TriggerRegister</pValue>'
        "<CommandValue>1</CommandValue></Command>",
        _register("TriggerRegister", _TRIGGER),
        '<Command Name="AcquisitionStart"><pValue>AcquisitionRegister</pValue>'
        "<CommandValue>1</CommandValue></Command>",
        '<Command Name="AcquisitionStop"><pValue>AcquisitionRegister</pValue>'
        "<CommandValue>0</CommandValue></Command>",
        _register("AcquisitionRegister", _ACQUISITION),
        '<Float Name="ExposureTime"><pValue>ExposureRegister</pValue></Float>',
        _register("ExposureRegister", _EXPOSURE),
        "</RegisterDescription>",
    ]
    return "".join(parts).encode()


def _lose_nothing(block: int, number: int) -> bool:
    return False


class GigeTwin:
    """The camera's side of the conversation.

    ``lose`` says of a packet (block, number) whether it vanishes on its first way; ``refuse``
    holds register addresses the camera denies writing to (a mishap).
    """

    def __init__(
        self,
        scene: Scene,
        size_px: tuple[int, int],
        serial: str = "TWIN1",
        lose: Callable[[int, int], bool] | None = None,
        resends: bool = True,
    ) -> None:
        self.scene: Scene = scene
        self.lose: Callable[[int, int], bool] = _lose_nothing if lose is None else lose
        self.resends = resends
        self.silent = False
        self.refuse: set[int] = set()
        self.stretch_ppm = 0.0
        self.further_parts: tuple[tuple[Part, bytes], ...] = ()
        """Parts that follow each picture; with one, pictures are sent as multi-part payloads."""
        self.identity = codec.GigeIdentity(
            "tidetrack", "Twin", "1", serial, "", "127.0.0.1", "02000000aa01"
        )
        self._xml = description()
        url = f"Local:twin.xml;{_XML_ADDRESS:x};{len(self._xml):x}".encode()
        self._url = url.ljust(codec.XML_URL_BYTES, b"\0")
        self.registers = {
            _WIDTH: size_px[0],
            _HEIGHT: size_px[1],
            _FORMAT: MONO8,
            _RATE: 16_667,
            _ACQUISITION: 0,
            _TRIGGER_MODE: 0,
            _TRIGGER: 0,
            _EXPOSURE: 1000,
            codec.MODE: 0x8000_0001,
            codec.STREAM_CHANNELS: 1,
            codec.CAPABILITY: 0,
            codec.HEARTBEAT_MS: 3000,
            codec.CONTROL: 0,
            codec.STREAM_PORT: 0,
            codec.PACKET_SIZE: 1400,
            codec.STREAM_DESTINATION: 0,
            codec.PACKET_DELAY: 0,
            codec.TICK_FREQUENCY_HIGH: 0,
            codec.TICK_FREQUENCY_LOW: 1_000_000_000,
        }
        self._heard_ns = 0
        self._next_ns = 0
        self._block = 0
        self._sent: OrderedDict[int, list[bytes]] = OrderedDict()
        self.stream: list[bytes] = []
        """The datagrams that wait to be sent to the stream's destination."""
        self.triggers = 0

    @property
    def destination(self) -> tuple[str, int]:
        """The address to which pictures are sent."""
        address = struct.pack(">I", self.registers[codec.STREAM_DESTINATION])
        return ".".join(str(b) for b in address), self.registers[codec.STREAM_PORT]

    @property
    def running(self) -> bool:
        """Whether pictures are taken."""
        return bool(self.registers[_ACQUISITION]) and bool(self.registers[codec.STREAM_PORT])

    @property
    def wake_ns(self) -> int | None:
        """When the next picture is due or the heartbeat runs out."""
        due = [self._next_ns] if self.running and not self.registers[_TRIGGER_MODE] else []
        if self.registers[codec.CONTROL]:
            due.append(self._heard_ns + self.registers[codec.HEARTBEAT_MS] * 1_000_000)
        return min(due, default=None)

    def receive(self, data: bytes, now_ns: int) -> bytes:
        """Answer one control datagram; nothing when none is wanted or the twin is silent."""
        if self.silent:
            return b""
        try:
            command = codec.decode_command(data)
        except ProtocolError:
            return b""
        self._heard_ns = now_ns
        if command.command == codec.PACKETRESEND:
            self._send_again(command.payload)
            return b""
        status, payload = self._carry_out(command, now_ns)
        if not command.ack_wanted:
            return b""
        return codec.encode_ack(codec.Ack(status, command.command + 1, command.request_id, payload))

    def _carry_out(self, command: codec.GvcpCommand, now_ns: int) -> tuple[int, bytes]:
        payload = command.payload
        if command.command == codec.DISCOVERY:
            return 0, codec.encode_identity(self.identity)
        if command.command == codec.READREG and len(payload) == 4:
            address = int.from_bytes(payload, "big")
            if address not in self.registers:
                return 0x8003, b""
            return 0, struct.pack(">I", self.registers[address])
        if command.command == codec.WRITEREG and len(payload) == 8:
            return self._write(*struct.unpack(">II", payload), now_ns)
        if command.command == codec.READMEM and len(payload) == 8:
            address, _, count = struct.unpack(">IHH", payload)
            data = self._memory(address, count)
            return (0, payload[:4] + data) if data is not None else (0x8003, b"")
        return 0x8001, b""

    def _write(self, address: int, value: int, now_ns: int) -> tuple[int, bytes]:
        if address not in self.registers:
            return 0x8003, b""
        if address in self.refuse:
            return 0x8006, b""
        if address != codec.CONTROL and self.registers[codec.CONTROL] not in _CONTROL_LEASE:
            return 0x8006, b""
        self.registers[address] = value
        if address == _ACQUISITION and value:
            self._next_ns = now_ns
        if address == _TRIGGER and value and self.registers[_TRIGGER_MODE] and self.running:
            self.triggers += 1
            self.expose(now_ns)
        return 0, struct.pack(">HH", 0, 1)

    def _memory(self, address: int, count: int) -> bytes | None:
        for start, block in ((codec.XML_URL, self._url), (_XML_ADDRESS, self._xml)):
            if start <= address < start + len(block):
                return block[address - start : address - start + count].ljust(count, b"\0")
        words = [self.registers.get(each) for each in range(address, address + count, 4)]
        known = [word for word in words if word is not None]
        return struct.pack(f">{len(words)}I", *known) if len(known) == len(words) else None

    def wake(self, now_ns: int) -> None:
        """Expose a picture that is due, and end the control of a client that has gone silent."""
        lease = self._heard_ns + self.registers[codec.HEARTBEAT_MS] * 1_000_000
        if self.registers[codec.CONTROL] and now_ns >= lease:
            self.registers[codec.CONTROL] = 0
            self.registers[codec.STREAM_PORT] = 0
            self.registers[_ACQUISITION] = 0
        if self.running and not self.registers[_TRIGGER_MODE] and now_ns >= self._next_ns:
            self.expose(now_ns)
            period_ns = self.registers[_RATE] * 1000
            self._next_ns = max(self._next_ns + period_ns, now_ns - period_ns)

    def expose(self, now_ns: int) -> None:
        """Expose a picture now and queue its packets."""
        pixels = self.scene(now_ns)
        pixel_format = MONO8 if pixels.dtype == np.uint8 else MONO16
        self._block = self._block % 65_535 + 1
        ticks = now_ns + int(now_ns * self.stretch_ppm * 1e-6)
        leader = Leader(ticks, pixel_format, pixels.shape[1], pixels.shape[0], 0, 0, 0)
        size = self.registers[codec.PACKET_SIZE] & 0xFFFF
        if self.further_parts:
            packets = self._in_parts(leader, pixels.tobytes(), size)
        else:
            packets = packets_of(self._block, leader, pixels.tobytes(), size)
        self._sent[self._block] = packets
        while len(self._sent) > _KEPT:
            self._sent.popitem(last=False)
        self.stream += [p for i, p in enumerate(packets) if not self.lose(self._block, i)]

    def _in_parts(self, leader: Leader, picture: bytes, size: int) -> list[bytes]:
        """Return the packets of a picture and the parts that follow it."""
        first = Part(
            PICTURE_2D, len(picture), leader.pixel_format, 0, INTENSITY, leader.width, leader.height
        )
        parts = (first, *(part for part, _ in self.further_parts))
        contents = [picture, *(content for _, content in self.further_parts)]
        whole = leader._replace(parts=parts)
        return multi_part_packets_of(self._block, whole, contents, size, through=True)

    def _send_again(self, payload: bytes) -> None:
        if not self.resends:
            return
        try:
            wanted = codec.decode_resend(payload)
        except ProtocolError:
            return
        packets = self._sent.get(wanted.block)
        for number in range(wanted.first, min(wanted.last, wanted.first + 4096) + 1):
            if packets is not None and number < len(packets):
                self.stream.append(struct.pack(">H", RESENT) + packets[number][2:])
            else:
                gone = GvspPacket(UNAVAILABLE, wanted.block, 3, number, memoryview(b""), False)
                self.stream.append(encode_packet(gone))


class GigeTwinServer:
    """A twin on UDP sockets, in a thread of its own, until `stop`.

    A control port of 0 takes any free one; see `port`. ``clock`` is the camera's own.
    """

    def __init__(
        self,
        twin: GigeTwin,
        address: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.twin = twin
        self._clock = clock
        self._control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._control.bind((address, port))
        self._control.setblocking(False)
        self._pictures = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._pictures.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 1024 * 1024)
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gige-twin")
        self._thread.start()

    @property
    def port(self) -> int:
        """The control port."""
        return int(self._control.getsockname()[1])

    def ring(self) -> None:
        """Wake the server's thread, so that it calls its twin now; from any thread."""
        with contextlib.suppress(OSError):
            self._bell.send(b"!")

    def stop(self) -> None:
        """End the thread and close the sockets."""
        self._stopping.set()
        self.ring()
        self._thread.join()
        for each in (self._control, self._pictures, self._bell, self._ear):
            each.close()

    def __enter__(self) -> GigeTwinServer:
        """Return this server, which `__exit__` stops."""
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._stopping.is_set():
            due = self.twin.wake_ns
            wait = 0.02 if due is None else min(0.02, max(0.0, (due - self._clock()) / 1e9))
            ready = select.select([self._control, self._ear], [], [], wait)[0]
            if self._ear in ready:
                self._ear.recv(4096)
            if self._control in ready:
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    data, there = self._control.recvfrom(65_536)
                    reply = self.twin.receive(data, self._clock())
                    if reply:
                        self._control.sendto(reply, there)
            if self.twin.wake_ns is not None and self._clock() >= self.twin.wake_ns:
                self.twin.wake(self._clock())
            waiting, self.twin.stream = self.twin.stream, []
            there = self.twin.destination
            for datagram in waiting if there[1] else ():
                with contextlib.suppress(OSError):
                    self._pictures.sendto(datagram, there)


class FedCamera(GigeTwin):
    """A camera that sends pictures it is given; it only passes its trigger on."""

    def __init__(
        self,
        size_px: tuple[int, int],
        serial: str,
        triggered: Callable[[int], None] = lambda now_ns: None,
    ) -> None:
        super().__init__(self._developed_picture, size_px, serial)
        self._newest: Picture = np.zeros((1, 1), dtype=np.uint16)
        self._triggered = triggered
        self._developed: deque[tuple[Picture, int, int | None]] = deque()

    def _developed_picture(self, now_ns: int) -> Picture:
        return self._newest

    def expose(self, now_ns: int) -> None:
        """Pass the trigger on."""
        self._triggered(now_ns)

    def develop(self, pixels: Picture, ticks: int, number: int | None = None) -> None:
        """Send a picture exposed at ``ticks`` of the camera's clock; from any thread.

        ``number`` is its frame number; without one it is the next.
        """
        self._developed.append((pixels, ticks, number))

    @property
    def wake_ns(self) -> int | None:
        """0 while a picture waits, otherwise the time that `GigeTwin` gives."""
        return 0 if self._developed else super().wake_ns

    def wake(self, now_ns: int) -> None:
        """Send the pictures that wait."""
        while self._developed:
            pixels, ticks, number = self._developed.popleft()
            if number is not None:
                self._block = (number - 1) % 65_535
            self._newest = pixels
            super().expose(ticks)
        super().wake(now_ns)

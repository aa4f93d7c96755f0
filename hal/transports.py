"""Wires with one common interface: TCP, UDP, serial lines and an in-memory pair.

Each wire is a non-blocking file descriptor watched by the event loop: bytes are handed over in
the callback that finds them, with no task in between, so the stamp is taken at once. Addresses
are written ``tcp://host:port``, ``udp://host:port`` (ask that host), ``udp://:port`` (answer
whoever wrote last), ``serial:///dev/ttyUSB0?baud=9600``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast
from urllib.parse import parse_qsl, urlsplit

import msgspec
import serial

from hal.errors import LinkError
from hal.serial_line import SerialLine

Receiver = Callable[[bytes], None]
"""Called with what arrived: a piece of a stream, or one datagram."""
Loser = Callable[[str], None]
"""Called once with the reason why the wire is gone."""

_PIECE = 65536


class Tcp(msgspec.Struct, frozen=True):
    """A stream to a host."""

    host: str
    port: int


class Udp(msgspec.Struct, frozen=True):
    """Datagrams: to ``host``, or, where it is empty, to whoever wrote last to ``port``."""

    host: str
    port: int


class Serial(msgspec.Struct, frozen=True):
    """A serial line or pseudo-terminal."""

    path: str
    line: SerialLine = SerialLine()


class Memory:
    """A meeting place in memory: the device's end sets ``accept``, the driver's end opens it."""

    def __init__(self) -> None:
        self.accept: Callable[[], MemoryWire] | None = None


Address = Tcp | Udp | Serial | Memory


def parse_address(text: str) -> Address:
    """Return an address out of its text; raises `LinkError` saying what is wrong with it."""
    parts = urlsplit(text)
    try:
        if parts.scheme in ("tcp", "udp"):
            host, port = parts.hostname or "", parts.port
            if port is None or (parts.scheme == "tcp" and not host):
                raise ValueError("host and port are needed")
            return Tcp(host, port) if parts.scheme == "tcp" else Udp(host, port)
        if parts.scheme == "serial":
            if not parts.path:
                raise ValueError("the device's path is needed")
            line = msgspec.convert(dict(parse_qsl(parts.query)), SerialLine, strict=False)
            return Serial(parts.path, line)
        raise ValueError("the kind of wire is not known")
    except (ValueError, msgspec.ValidationError) as error:
        raise LinkError(
            f"address {text!r}: {error}; write tcp://host:port, udp://host:port, udp://:port "
            "or serial:///dev/name?baud=9600"
        ) from None


def scheme_of(address: Address) -> str:
    """Return the kind of wire of an address, as a configuration writes it."""
    kinds: dict[type[Address], str] = {Tcp: "tcp", Udp: "udp", Serial: "serial", Memory: "memory"}
    return kinds[type(address)]


class Wire(Protocol):
    """An open wire."""

    @property
    def unsent(self) -> int:
        """Bytes the system has not taken yet."""
        ...

    def send(self, data: bytes) -> None:
        """Hand bytes to the system now, or as soon as it takes them."""
        ...

    def set_line(self, line: SerialLine) -> None:
        """Change a serial line's setting; without effect on other wires."""
        ...

    def close(self) -> None:
        """Give the wire back; nothing is received after this."""
        ...


async def open_wire(
    address: Address, receive: Receiver, lost: Loser, *, within_s: float = 3.0
) -> Wire:
    """Open a wire; raises `LinkError` where that fails or takes too long."""
    try:
        if isinstance(address, Tcp):
            return await _open_tcp(address, receive, lost, within_s)
        if isinstance(address, Udp):
            return _open_udp(address, receive, lost)
        if isinstance(address, Memory):
            return _open_memory(address, receive, lost)
        return _open_serial(address, receive, lost)
    except TimeoutError:
        raise LinkError(f"{describe(address)}: no answer in {within_s:g} s") from None
    except (OSError, ValueError) as error:  # pyserial's own error is an OSError
        raise LinkError(f"{describe(address)}: {error}") from None


def describe(address: Address) -> str:
    """The address as it is written in a configuration."""
    if isinstance(address, Memory):
        return "memory"
    if isinstance(address, Serial):
        return f"serial://{address.path}"
    return f"{'tcp' if isinstance(address, Tcp) else 'udp'}://{address.host}:{address.port}"


async def _open_tcp(address: Tcp, receive: Receiver, lost: Loser, within_s: float) -> Wire:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(within_s):
        try:  # a number needs no name service, which would cost a thread
            found = socket.getaddrinfo(
                address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
        except socket.gaierror:
            found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, where = found[0]
        wire_socket = socket.socket(family, kind, protocol)
        try:
            wire_socket.setblocking(False)
            await loop.sock_connect(wire_socket, where)
        except BaseException:
            wire_socket.close()
            raise
    return stream_of(wire_socket, receive, lost)


def stream_of(wire_socket: socket.socket, receive: Receiver, lost: Loser) -> StreamWire:
    """Return a wire out of a connected stream socket, of either end."""
    wire_socket.setblocking(False)
    if wire_socket.family in (socket.AF_INET, socket.AF_INET6):
        wire_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return StreamWire(wire_socket.fileno(), wire_socket.close, receive, lost)


def _open_udp(address: Udp, receive: Receiver, lost: Loser) -> Wire:
    wire_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        wire_socket.setblocking(False)
        if address.host:
            wire_socket.connect((address.host, address.port))
        else:
            wire_socket.bind(("", address.port))
    except OSError:
        wire_socket.close()
        raise
    return DatagramWire(wire_socket, bool(address.host), receive, lost)


def _open_memory(address: Memory, receive: Receiver, lost: Loser) -> Wire:
    if address.accept is None:
        raise LinkError("memory: nobody is there")
    ours, theirs = MemoryWire(receive, lost), address.accept()
    ours.other, theirs.other = theirs, ours
    return ours


class SerialPort(Protocol):
    """What is used of pyserial's port, in types."""

    baudrate: int
    bytesize: int
    parity: str
    stopbits: int
    rtscts: bool
    break_condition: bool

    def fileno(self) -> int:
        """Descriptor of the open line."""
        ...

    def close(self) -> None:
        """Give the line back."""
        ...


def _open_serial(address: Serial, receive: Receiver, lost: Loser) -> Wire:
    line = address.line
    port = cast(
        SerialPort,
        serial.Serial(
            address.path,
            baudrate=line.baud,
            bytesize=line.data_bits,
            parity=line.parity,
            stopbits=line.stop_bits,
            rtscts=line.handshake,
            timeout=0,
            write_timeout=0,
            exclusive=True,
        ),
    )
    os.set_blocking(port.fileno(), False)
    return StreamWire(port.fileno(), port.close, receive, lost, port)


class StreamWire:
    """A stream over a descriptor: a TCP socket, a serial line, one end of a pair or a pty."""

    def __init__(
        self,
        descriptor: int,
        close: Callable[[], None],
        receive: Receiver,
        lost: Loser,
        port: SerialPort | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._close = close
        self._receive = receive
        self._lost = lost
        self._port = port
        self._waiting = bytearray()
        self._open = True
        self._in_break = False
        self._loop.add_reader(descriptor, self._readable)

    @property
    def unsent(self) -> int:
        """Bytes the system has not taken yet."""
        return len(self._waiting)

    def send(self, data: bytes) -> None:
        """Write now what the system takes, the rest when it can."""
        if not self._open or not data:
            return
        idle = not self._waiting and not self._in_break
        self._waiting += data
        if idle:
            self._writable()

    def set_line(self, line: SerialLine) -> None:
        """Set rate and framing, after a break where one is asked for."""
        port = self._port
        if port is None or not self._open:
            return
        # A pseudo-terminal knows neither rates nor breaks; some refuse, most ignore them.
        with contextlib.suppress(OSError):
            port.baudrate = line.baud
            port.bytesize, port.parity, port.stopbits = line.data_bits, line.parity, line.stop_bits
            port.rtscts = line.handshake
        if line.break_ms:
            with contextlib.suppress(OSError):
                port.break_condition = True
                self._in_break = True
                self._loop.call_later(line.break_ms / 1000, self._end_break)

    def close(self) -> None:
        """Stop watching and close."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
        self._close()

    def _end_break(self) -> None:
        self._in_break = False
        if self._open and self._port is not None:
            with contextlib.suppress(OSError):
                self._port.break_condition = False
            self._writable()

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, _PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._break_off(str(error))
            return
        if data:
            self._receive(data)
        else:
            self._break_off("closed by the other end")

    def _writable(self) -> None:
        try:
            while self._waiting:
                del self._waiting[: os.write(self._descriptor, self._waiting)]
        except (BlockingIOError, InterruptedError):
            self._loop.add_writer(self._descriptor, self._writable)
            return
        except OSError as error:
            self._loop.call_soon(self._break_off, str(error))
            return
        self._loop.remove_writer(self._descriptor)

    def _break_off(self, why: str) -> None:
        if self._open:
            self.close()
            self._lost(why)


class DatagramWire:
    """Datagrams, to one host or in answer to whoever wrote last."""

    def __init__(
        self, wire_socket: socket.socket, connected: bool, receive: Receiver, lost: Loser
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = wire_socket
        self._connected = connected
        self._peer: tuple[str, int] | None = None
        self._receive = receive
        self._lost = lost
        self._open = True
        self.local_port: int = wire_socket.getsockname()[1]
        self._loop.add_reader(wire_socket, self._readable)

    @property
    def unsent(self) -> int:
        """A datagram is taken whole or dropped."""
        return 0

    def send(self, data: bytes) -> None:
        """Send one datagram; one that the system does not take is lost, as on the wire."""
        if not self._open or not data:
            return
        with contextlib.suppress(BlockingIOError, InterruptedError, ConnectionRefusedError):
            try:
                if self._connected:
                    self._socket.send(data)
                elif self._peer is not None:
                    self._socket.sendto(data, self._peer)
            except (BlockingIOError, InterruptedError, ConnectionRefusedError):
                raise
            except OSError as error:
                self._loop.call_soon(self._break_off, str(error))

    def set_line(self, line: SerialLine) -> None:
        """Do nothing: this is no serial line."""

    def close(self) -> None:
        """Stop watching and close."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def _readable(self) -> None:
        try:
            data, sender = self._socket.recvfrom(_PIECE)
        except (BlockingIOError, InterruptedError, ConnectionRefusedError):
            return  # refused: nobody listens there yet
        except OSError as error:
            self._break_off(str(error))
            return
        self._peer = sender
        self._receive(data)

    def _break_off(self, why: str) -> None:
        if self._open:
            self.close()
            self._lost(why)


class MemoryWire:
    """One end of an in-memory pair; bytes arrive in the loop's next turn, in order."""

    def __init__(self, receive: Receiver, lost: Loser) -> None:
        self._loop = asyncio.get_running_loop()
        self._receive = receive
        self._lost = lost
        self._open = True
        self.other: MemoryWire | None = None
        self._arriving: deque[bytes] = deque()

    @property
    def unsent(self) -> int:
        """Memory takes everything."""
        return 0

    def send(self, data: bytes) -> None:
        """Put bytes where the other end finds them."""
        other = self.other
        if self._open and data and other is not None:
            other._arriving.append(data)
            self._loop.call_soon(other._deliver)

    def set_line(self, line: SerialLine) -> None:
        """Do nothing: this is no serial line."""

    def close(self) -> None:
        """Close; the other end is told."""
        if self._open:
            self._open = False
            if self.other is not None:
                self._loop.call_soon(self.other._gone)

    def _deliver(self) -> None:
        if self._open and self._arriving:
            self._receive(self._arriving.popleft())

    def _gone(self) -> None:
        if self._open:
            self._open = False
            self._lost("closed by the other end")

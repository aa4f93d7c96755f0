"""A GigE Vision camera on its own thread: sockets, clock, and pictures handed on as they come.

The thread only moves datagrams between the wire and `session` / `reassembly`, so that no
picture is lost during image processing; the receiver of the pictures must be quick or have a
queue. A lost camera is opened again, with growing pauses.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable

from hal.errors import DeviceError, LinkError
from hal.events import LinkChanged, SendExpose
from hal.gige.codec import (
    DISCOVERY,
    PORT,
    GigeIdentity,
    GvcpAsk,
    decode_ack,
    decode_identity,
    encode_command,
)
from hal.gige.reassembly import GvspFrame, Reassembly
from hal.gige.session import GigeSession, GigeSettings
from hal.imaging.image import Image, Take
from hal.messages import BadSample

RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
"""The kernel's usual 208 KiB lose packets of every larger picture."""
_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)
_DATAGRAMS_A_TURN = 512


def receive_buffer(wire: socket.socket) -> int:
    """Enlarge the socket's buffer; return its size in bytes (root may exceed the limit)."""
    force = getattr(socket, "SO_RCVBUFFORCE", 33)
    try:
        wire.setsockopt(socket.SOL_SOCKET, force, RECEIVE_BUFFER_BYTES)
    except OSError:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return wire.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def local_address(host: str, port: int) -> str:
    """Return the address that this host has on the way to the camera."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, port))
        return str(probe.getsockname()[0])


def discover(
    addresses: tuple[str, ...] = ("255.255.255.255",), wait_s: float = 0.5, port: int = PORT
) -> list[GigeIdentity]:
    """Find cameras at addresses or by broadcast; return every camera that answers in time."""
    found: dict[tuple[str, str], GigeIdentity] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for number, address in enumerate(addresses):
            wire.sendto(encode_command(GvcpAsk(DISCOVERY), number + 1), (address, port))
        until = time.monotonic() + wait_s
        while (left := until - time.monotonic()) > 0:
            if not select.select([wire], [], [], left)[0]:
                break
            try:
                identity = decode_identity(decode_ack(wire.recv(2048)).payload)
            except DeviceError:
                continue
            found[identity.address, identity.serial] = identity
    return list(found.values())


class GigeCamera:
    """Run one camera until `stop`.

    ``take`` is called from the camera's thread with every `Image` and `BadSample`,
    ``changed`` with every `LinkChanged`; ``clock`` gives nanoseconds since the run began.
    """

    def __init__(
        self,
        settings: GigeSettings,
        take: Take,
        changed: Callable[[LinkChanged], None],
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.settings = settings
        self.buffer_bytes = 0
        self.frames = 0
        self.resent = 0
        self.session: GigeSession | None = None
        self._take, self._changed, self._clock = take, changed, clock
        self._shots: deque[int] = deque()
        self._stopping = threading.Event()
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=f"gige-{settings.device}")
        self._up = False

    def start(self) -> None:
        """Open the camera; pictures and link changes come from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Give the camera back and end the thread."""
        self._stopping.set()
        self._ring()
        if self._thread.ident is not None:
            self._thread.join()
        self._bell.close()
        self._ear.close()

    def expose(self, shot_id: int) -> None:
        """Pull the software trigger, from any thread; raises `DeviceError` when it cannot be."""
        if not self._up:
            raise DeviceError(f"{self.settings.device}: link is down, cannot expose")
        self._shots.append(shot_id)
        self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(OSError):
            self._bell.send(b"!")

    def _run(self) -> None:
        tries = 0
        while not self._stopping.is_set():
            why = "stopped"
            try:
                self._converse()
            except (DeviceError, OSError) as error:
                why = str(error)
            if self._up:
                tries = 0
            self._up = False
            if not self._stopping.is_set():
                self._changed(LinkChanged(self.settings.device, self._clock(), False, why))
                self._stopping.wait(_PAUSES_S[min(tries, len(_PAUSES_S) - 1)])
                tries += 1

    def _converse(self) -> None:
        """Run the link once, from opening the sockets to its end."""
        settings = self.settings
        here = local_address(settings.host, settings.port)
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream,
        ):
            control.bind((here, 0))
            control.connect((settings.host, settings.port))
            stream.bind((here, 0))
            self.buffer_bytes = receive_buffer(stream)
            control.setblocking(False)
            stream.setblocking(False)
            session = self.session = GigeSession(settings, (here, int(stream.getsockname()[1])))
            session.begin(self._clock())
            self._shots.clear()
            try:
                self._exchange(session, control, stream)
            finally:
                session.farewell(self._clock())
                self._flush(session, control)

    def _exchange(
        self, session: GigeSession, control: socket.socket, stream: socket.socket
    ) -> None:
        pictures: Reassembly | None = None
        while not self._stopping.is_set():
            self._flush(session, control)
            if session.ready and pictures is None:
                pictures = Reassembly(
                    self.settings.device, self.settings.packet_bytes, session.ticks_hz
                )
                self._up = True
                self._changed(LinkChanged(self.settings.device, self._clock(), True, _who(session)))
            ready = self._wait(session, pictures, control, stream)
            now_ns = self._clock()
            if self._ear in ready:
                self._hear(session, now_ns)
            if control in ready:
                for data in _datagrams(control):
                    session.receive(data, now_ns)
            if stream in ready:
                for data in _datagrams(stream):
                    if pictures is not None:
                        self._hand_over(pictures.receive(data, now_ns), session)
            if session.wake_ns is not None and now_ns >= session.wake_ns:
                session.wake(now_ns)
            if pictures is not None:
                if pictures.wake_ns is not None and now_ns >= pictures.wake_ns:
                    self._hand_over(pictures.wake(now_ns), session)
                for wanted in pictures.wanted:
                    session.resend(wanted)
                pictures.wanted.clear()

    def _wait(
        self,
        session: GigeSession,
        pictures: Reassembly | None,
        control: socket.socket,
        stream: socket.socket,
    ) -> list[socket.socket]:
        due = [session.wake_ns, pictures.wake_ns if pictures is not None else None]
        moments = [moment for moment in due if moment is not None]
        left = (min(moments) - self._clock()) / 1e9 if moments else 1.0
        return select.select([control, stream, self._ear], [], [], min(1.0, max(0.0, left)))[0]

    def _hear(self, session: GigeSession, now_ns: int) -> None:
        """Clear the wake-up signal and read the datagrams that wait."""
        with contextlib.suppress(OSError):
            self._ear.recv(4096)
        while self._shots:
            shot_id = self._shots.popleft()
            session.obey(SendExpose(now_ns, self.settings.device, shot_id), now_ns)

    def _hand_over(self, arrived: list[GvspFrame | BadSample], session: GigeSession) -> None:
        for one in arrived:
            if isinstance(one, BadSample):
                self._take(one)
                continue
            self.frames += 1
            self.resent += one.resent
            # A camera without a clock of its own: the arrival has to serve.
            hz = session.ticks_hz
            ticks = one.timestamp * 1_000_000_000 // hz if hz else one.t_ns
            self._take(Image(self.settings.device, one.t_ns, one.number, ticks, one.pixels))

    @staticmethod
    def _flush(session: GigeSession, control: socket.socket) -> None:
        while data := session.data_to_send():
            try:
                control.send(data)
            except BlockingIOError:
                return
            except OSError as error:
                raise LinkError(f"{session.settings.host}: {error}") from error


def _datagrams(wire: socket.socket) -> list[bytes]:
    """Return the datagrams that wait, up to a limit; raises `OSError` when the wire broke."""
    waiting: list[bytes] = []
    try:
        while len(waiting) < _DATAGRAMS_A_TURN:
            waiting.append(wire.recv(65_536))
    except BlockingIOError:
        pass
    return waiting


def _who(session: GigeSession) -> str:
    who = session.identity
    clock = "" if session.ticks_hz else "; it does not say how its clock counts: arrivals are used"
    name = f"{who.vendor} {who.model}, serial {who.serial}" if who is not None else "unknown"
    return name + clock

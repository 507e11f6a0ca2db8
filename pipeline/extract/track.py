"""The sound track of one file: decoded as far as it was asked for, each sample at its place in time.

A file's clock starts where its earliest stream starts, for sound and picture alike: what a player shows as 0:00. Sample n of a track lies
n / rate seconds after that, so a sound that begins late is preceded by silence, and a hole in it is silence too. Small disagreements of
time stamps (containers round them to 1 ms) are no holes. A stretch without a single decoded sample has no sound and is skipped, while
digital silence is a sound like any other.
"""

from collections.abc import Iterator

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from pipeline.extract.media import ABSURD, UNREADABLE, demux, is_rate
from pipeline.extract.sound import Sound, Timeline, take_channel
from pipeline.shards.extractor import Skip

NO_AUDIO = Skip("no_audio")
TOO_LONG = Skip("too_long")
MAX_SAMPLES = 1 << 29
"""That a clip may hold: three hours at 48 kHz, 2 GiB. Time stamps that jump ahead can make a small file as long as they like."""
SLACK = 0.1
"""Seconds that a frame's time stamp may disagree with the samples counted before it (FFmpeg's aresample allows the same)."""
LONGEST_HOLE, LONGEST_OVERLAP = 600.0, 1.0
"""Seconds that a time stamp may jump ahead (silence) or back (dropped); beyond them the clock was reset, and the sound goes on."""
COLLECTED = 16384
"""Samples that are mixed at once: few enough for the processor's cache."""
MAX_DAMAGED = 0.1
"""Share of a clip that may lie in undecodable packets before it counts as unreadable."""


class Track:
    """The sound of one file, decoded as far as it was asked for.

    Args:
        container: the open file; the track closes it.
        stream: the stream to decode.
        channel: which channel, from 0; None: all of them mixed.
    """

    def __init__(self, container: InputContainer, stream: AudioStream, channel: int | None) -> None:
        self.rate = self._frame_size = 0
        self._container, self._channel = container, channel
        self._frames: Iterator[AudioFrame] = self._decode(stream)
        self._origin = (container.start_time or 0) / av.time_base
        self._line, self._fifo = Timeline(), av.AudioFifo()
        self._damage: list[int] = []
        self._is_exact, self._is_absurd = True, False
        self._grow(1)

    def cut(self, start: float, end: float | None) -> Sound | Skip:
        """Return the sound from `start` to `end` (s), or to its own end where that comes earlier; what lies before is forgotten."""
        first, last = round(start * self.rate), None if end is None else round(end * self.rate)
        self._line.forget(first)
        self._grow(last)
        self._flush()
        if self._line.num_held > MAX_SAMPLES:
            return TOO_LONG
        stop = self._line.length if last is None else last
        if not self._line.has_sound(first, stop):
            return NO_AUDIO
        num_damaged = sum(first <= place and (place < stop or last is None) for place in self._damage)
        if num_damaged * self._frame_size > MAX_DAMAGED * (stop - first):
            return UNREADABLE
        begin = self._line.begin
        return Sound(self._line.join()[first - begin : None if last is None else last - begin], self.rate)

    def holds(self, start: float) -> bool:
        """Whether what is shown from `start` (s) on is not forgotten yet."""
        return round(start * self.rate) >= self._line.begin

    @property
    def why_empty(self) -> Skip:
        """Why not one sample could be decoded."""
        return ABSURD if self._is_absurd else UNREADABLE if self._damage else NO_AUDIO

    @property
    def _length(self) -> int:
        """Samples decoded so far, silence between them included."""
        return self._line.length + self._fifo.samples

    def _decode(self, stream: AudioStream) -> Iterator[AudioFrame]:
        """Yield the stream's frames; packets that cannot be decoded are noted and leave a hole."""
        for other in self._container.streams:
            if other.index != stream.index:
                other.discard = av.stream.Discard.all
        try:
            for packet in demux(self._container, stream):
                yield from self._decode_packet(packet)
        except av.FFmpegError:
            self._note_damage()
        finally:
            self._container.close()

    def _decode_packet(self, packet: "Packet[AudioStream]") -> list[AudioFrame]:
        """Return the frames of a packet; none, and a note, where it is damaged."""
        try:
            return packet.decode()
        except av.FFmpegError:
            self._note_damage()
            return []

    def _note_damage(self) -> None:
        """Remember where a packet was lost; what follows is placed by its time stamp alone."""
        self._damage.append(self._length)
        self._is_exact = True

    def _grow(self, stop: int | None) -> None:
        """Decode until `stop` samples are there, or all."""
        while (stop is None or self._length < stop) and self._line.num_held <= MAX_SAMPLES:
            frame = next(self._frames, None)
            self._is_absurd = frame is not None and not is_rate(frame.sample_rate)
            if frame is None or self._is_absurd:
                return
            self.rate, self._frame_size = self.rate or frame.sample_rate, self._frame_size or frame.samples
            if frame.sample_rate == self.rate:
                self._append(frame)
            else:  # a concatenated stream: its end is another recording
                self._note_damage()

    def _append(self, frame: AudioFrame) -> None:
        """Add a frame at the place that its time stamp says, which is almost always behind the one before."""
        hole = self._hole(frame)
        if hole:
            self._flush()
            self._line.add_silence(max(0, hole))
        if hole >= 0:
            self._collect(frame)
        else:
            self._line.add(self._mix(frame)[-hole:])

    def _hole(self, frame: AudioFrame) -> int:
        """Return the samples missing before a frame, negative where it overlaps what is there."""
        if frame.time is None:
            return 0
        hole = round((frame.time - self._origin) * self.rate) - self._length
        is_exact, self._is_exact = self._is_exact, False
        if not -LONGEST_OVERLAP <= hole / self.rate <= LONGEST_HOLE:
            self._origin += hole / self.rate
            return 0
        return hole if is_exact or abs(hole) > SLACK * self.rate else 0

    def _collect(self, frame: AudioFrame) -> None:
        """Put a frame behind those collected; one of another format or layout begins a new collection, and so does a full one."""
        frame.pts = None
        try:
            self._fifo.write(frame)
        except ValueError:
            self._flush()
            self._fifo = av.AudioFifo()
            self._fifo.write(frame)
        if self._fifo.samples > COLLECTED:
            self._flush()

    def _mix(self, frame: AudioFrame) -> np.ndarray:
        """Return the wanted channel or mix of a frame, as float32 (samples,)."""
        names = [channel.name for channel in frame.layout.channels]
        channels = frame.to_ndarray()
        if frame.format.is_packed:
            channels = channels.reshape(-1, len(names)).T
        return take_channel(channels, names, self._channel, self._container.name)

    def _flush(self) -> None:
        """Move the collected frames to the time line."""
        if self._fifo.samples and (collected := self._fifo.read()) is not None:
            self._line.add(self._mix(collected))

"""From a script to a file: voice, face and video of one clip."""

from pathlib import Path

import cv2

from pipeline.demo.action_units import perform
from pipeline.demo.cast import draw_recording, draw_speaker
from pipeline.demo.config import DemoConfig
from pipeline.demo.face import draw_frames
from pipeline.demo.phones import time_syllables
from pipeline.demo.prosody import blend
from pipeline.demo.script import Script
from pipeline.demo.seeding import generator
from pipeline.demo.video import write_video
from pipeline.demo.voice import speak


def render(config: DemoConfig, script: Script, path: Path) -> None:
    """Write the clip's video with sound; the same script gives the same bytes."""
    cv2.setNumThreads(1)
    speaker = draw_speaker(config.seed, script.speaker)
    recording = draw_recording(config.seed, script.speaker, script.take, script.speaker * config.recordings + script.take + 1)
    voices, faces = (generator(config.seed, kind, script.index) for kind in ("voice", "face"))
    prosody = blend(script.shown["audio"])
    syllables, duration = time_syllables(script.text, speaker.timbre.rate * prosody.rate, config.min_duration, config.max_duration, voices)
    num_frames = round(duration * config.fps)
    speech = speak(syllables, prosody, speaker.timbre, recording, num_frames, config.fps, config.sampling_rate, voices)
    moments = perform(script.shown["video"], speech.opening, speech.rounding, config.fps, faces)
    pictures = draw_frames(speaker.looks, recording, moments, config.width, config.height)
    write_video(path, pictures, config.fps, speech.sound, config.sampling_rate)

"""The voice is as long as the video, never clips, and carries the emotion in pitch, loudness and rate."""

import numpy as np
import pytest

from pipeline.demo.cast import draw_recording, draw_speaker
from pipeline.demo.emotions import EMOTIONS, Shown
from pipeline.demo.phones import time_syllables
from pipeline.demo.prosody import blend
from pipeline.demo.seeding import generator
from pipeline.demo.voice import Speech, speak

TEXT = "Please put the yellow flowers on the table."


def say(shown: Shown, speaker: int = 0) -> Speech:
    """A speech of 60 frames (2.4 s) with the prosody of what is shown."""
    timbre = draw_speaker(1, speaker).timbre
    syllables, _ = time_syllables(TEXT, 5.0, 2.4, 2.4, generator(1, "syllables"))
    return speak(syllables, blend(shown), timbre, draw_recording(1, speaker, 0, 1), 60, 25, 16000, generator(1, "voice"))


def pitch(speech: Speech) -> float:
    """Fundamental frequency in Hz between 60 and 500: the highest peak of the autocorrelation, median over windows of 64 ms."""
    windows = np.lib.stride_tricks.sliding_window_view(speech.sound, 1024)[::256]
    loud = windows[windows.std(axis=1) > np.median(windows.std(axis=1))]
    spectrum = np.fft.rfft(loud * np.hanning(1024), 2048, axis=1)
    lags = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, 16000 // 500 : 16000 // 60]
    return float(np.median(16000 / (lags.argmax(axis=1) + 16000 // 500)))


@pytest.mark.parametrize("name", EMOTIONS)
def test_the_sound_is_as_long_as_the_video_and_within_range(name: str) -> None:
    speech = say({name: 1.0})
    assert speech.sound.shape == (38400,)
    assert 0.02 < np.abs(speech.sound).max() < 1
    assert speech.opening.shape == speech.rounding.shape == (60,)
    assert speech.opening.min() >= 0
    assert 0.5 < speech.opening.max() <= 1


def test_the_mouth_follows_the_envelope() -> None:
    speech = say({})
    rms = np.sqrt((speech.sound.reshape(60, -1) ** 2).mean(axis=1))
    assert np.corrcoef(rms, speech.opening)[0, 1] > 0.8


def test_pitch_is_the_speakers_and_rises_with_fear() -> None:
    assert 80 < pitch(say({}, 0)) < 160 < pitch(say({}, 1)) < 260
    assert pitch(say({"fear": 1.0})) > 1.2 * pitch(say({})) > 1.2 * pitch(say({"sadness": 1.0}))


def test_anger_is_loud_and_sadness_quiet() -> None:
    angry, neutral, sad = (float(np.std(say(shown).sound)) for shown in ({"anger": 1.0}, {}, {"sadness": 1.0}))
    assert angry > 1.5 * neutral > 2 * sad


def test_a_fast_speaker_is_done_sooner_within_the_limits() -> None:
    durations = [time_syllables(TEXT, rate, 1.5, 3.0, generator(1))[1] for rate in (3.0, 5.0, 7.0, 40.0)]
    assert durations == sorted(durations, reverse=True)
    assert max(durations) <= 3.0 + 1e-9
    assert min(durations) == 1.5


def test_words_without_vowels_are_said() -> None:
    syllables, _ = time_syllables("Hmm. Tsk tsk.", 5.0, 1.5, 3.0, generator(1))
    assert len(syllables) == 3

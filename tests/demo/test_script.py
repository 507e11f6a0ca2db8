"""What a clip is about is decided by its number, and every modality tells its own part of it."""

from collections.abc import Mapping

import pytest

from pipeline.demo.config import MODALITIES, DemoConfig
from pipeline.demo.emotions import EMOTIONS, valence
from pipeline.demo.script import Script, write_script
from tests.demo.demo_config import make_config

SCRIPTS = [write_script(make_config(num_clips=300), index) for index in range(300)]


def test_a_larger_corpus_keeps_its_first_clips() -> None:
    assert [write_script(make_config(num_clips=900), index) for index in range(300)] == SCRIPTS


def test_another_seed_is_another_corpus() -> None:
    assert [write_script(make_config(seed=2), index) for index in range(300)] != SCRIPTS


def test_parts_have_nearly_their_shares_from_the_first_clips_on() -> None:
    for count in (20, 100, 300):
        share = sum(s.part == "train" for s in SCRIPTS[:count]) / count
        assert share == pytest.approx(0.62, abs=0.06)
    assert {s.part for s in SCRIPTS[:10]} == {"train", "valid", "test"}


def test_a_speaker_belongs_to_one_part() -> None:
    parts: dict[int, set[str]] = {}
    for script in SCRIPTS:
        parts.setdefault(script.speaker, set()).add(script.part)
    assert len(parts) == 12
    assert all(len(names) == 1 for names in parts.values())


def test_a_speaker_appears_in_several_recordings() -> None:
    assert all(len({s.take for s in SCRIPTS if s.speaker == speaker}) == 3 for speaker in range(12))


def test_clips_have_none_one_or_two_of_the_six_emotions() -> None:
    assert {len(s.felt) for s in SCRIPTS} == {0, 1, 2}
    assert {name for s in SCRIPTS for name in s.felt} == set(EMOTIONS)
    assert all(0 < level <= 1 for s in SCRIPTS for level in s.felt.values())


def test_every_emotion_is_expressed_by_a_modality() -> None:
    for script in SCRIPTS:
        expressed = {name for m in MODALITIES if script.manner[m] == "express" for name in script.shown[m]}
        assert expressed == set(script.felt)


@pytest.mark.parametrize("m", MODALITIES)
def test_each_modality_sometimes_hides_and_sometimes_contradicts(m: str) -> None:
    hidden = [s for s in SCRIPTS if s.manner[m] == "hide"]
    contradicted = [s for s in SCRIPTS if s.manner[m] == "contradict"]
    assert min(len(hidden), len(contradicted)) > 5
    assert all(not s.shown[m] and s.felt for s in hidden)
    assert all(set(s.shown[m]).isdisjoint(s.felt) or len(s.felt) == 2 for s in contradicted)


def test_the_text_is_worded_as_it_shows() -> None:
    texts = {name: {s.text for s in SCRIPTS if list(s.shown["text"]) == [name]} for name in EMOTIONS}
    assert any("happy" in text for text in texts["happiness"])
    assert not any("happy" in text for name in EMOTIONS if name != "happiness" for text in texts[name])
    assert all(text[0].isupper() and text.endswith(".") for s in SCRIPTS for text in [s.text])


def test_sentiment_is_the_mean_of_five_annotators() -> None:
    for value in (value for s in SCRIPTS for value in s.sentiment.values()):
        assert -1 <= value <= 1
        assert value * 5 == pytest.approx(round(value * 5))


def test_hidden_and_contradicting_modalities_have_labels_of_their_own() -> None:
    def means(manner: str) -> Mapping[str, float]:
        return {
            annotation: _mean([s.sentiment[annotation] for s in SCRIPTS if s.manner[m] == manner and _is_negative(s)])
            for annotation, m in zip("TAV", MODALITIES, strict=True)
        }

    assert all(mean < -0.5 for mean in means("express").values())
    assert all(abs(mean) < 0.2 for mean in means("hide").values())
    assert all(mean > 0.2 for mean in means("contradict").values())


def _is_negative(script: Script) -> bool:
    return len(script.felt) == 1 and valence(script.felt) < -0.4


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize(
    "changes",
    [
        {"num_clips": 0},
        {"width": 321},
        {"fps": 0},
        {"min_duration": 3.5},
        {"shares": {"train": 0.9, "valid": 0.2, "test": 0.2}},
        {"hide": {"text": 0.9, "audio": 0.1, "video": 0.1}, "contradict": {"text": 0.2, "audio": 0.1, "video": 0.1}},
        {"hide": {"text": 0.1, "audio": 0.1}},
        {"no_emotion": 0.8, "two_emotions": 0.3},
    ],
)
def test_what_cannot_be_rendered_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes)) if "hide" not in changes else "hide"):
        make_config(**changes)


def test_the_number_of_speakers_is_that_of_all_parts() -> None:
    assert isinstance(make_config(), DemoConfig)
    assert make_config().num_speakers == 12

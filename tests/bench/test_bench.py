"""`bench` is drawn as params.yaml says: shares, accuracies, speakers; and its arrays hold the codes where they should."""

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from pipeline.bench.config import CLASSES, MODALITIES, NEUTRAL, BenchConfig
from pipeline.bench.corpus import write_bench
from pipeline.bench.simulate import CUE, MARKER, Renderer, find_gain, simulate
from pipeline.clips.manifest import read_manifest
from pipeline.clips.splits import overlaps, read_splits
from pipeline.errors import ParamsError
from pipeline.params import build, read_params, read_section
from pipeline.shards.executor import ShardSettings
from pipeline.shards.features import read_features
from tests.conftest import ROOT

CONFIG = read_section(ROOT / "params.yaml", "bench", BenchConfig)
SMALL = dataclasses.replace(CONFIG, clips={"train": 12, "valid": 6, "test": 8})


def test_the_gain_gives_the_accuracy_that_is_asked_for() -> None:
    gain, rng = find_gain(0.65), np.random.default_rng(0)
    codes = rng.normal(size=(200_000, len(CLASSES)))
    codes[:, 0] += gain
    assert (codes.argmax(1) == 0).mean() == pytest.approx(0.65, abs=0.005)
    assert norm.cdf(find_gain(0.8, 2) / np.sqrt(2)) == pytest.approx(0.8, abs=1e-6)  # two codes: a closed form


def test_kinds_parts_and_noise_have_their_shares() -> None:
    many = dataclasses.replace(CONFIG, clips={"train": 4000, "valid": 300, "test": 1200})
    clips = simulate(many)
    counts = Counter(clip.kind for clip in clips)
    for kind, share in many.shares.items():
        assert counts[kind] / len(clips) == pytest.approx(share, abs=0.03)
    train = [clip for clip in clips if clip.part == "train"]
    assert sum(clip.label != clip.hidden for clip in train) / len(train) == pytest.approx(0.2 * 6 / 7, abs=0.02)
    assert all(clip.label == clip.hidden for clip in clips if clip.part != "train")
    speakers = {part: {clip.speaker for clip in clips if clip.part == part} for part in many.clips}
    assert {part: len(names) for part, names in speakers.items()} == many.speakers
    assert not speakers["train"] & speakers["test"]


def test_what_is_shown_follows_the_kind() -> None:
    for clip in simulate(CONFIG):
        differing = {m for m in MODALITIES if clip.shown[m] != clip.hidden}
        if clip.kind == "congruent":
            assert not differing
        elif clip.kind == "hidden":
            assert len(clip.cued) == 1
            assert all(clip.shown[m] == NEUTRAL for m in clip.cued)
        elif clip.kind == "sarcasm":
            assert clip.marked
            assert clip.shown["audio"] == clip.shown["video"] == NEUTRAL
        elif clip.hidden != NEUTRAL:
            assert clip.shown["audio"] == clip.hidden != clip.shown["video"]


def test_more_clips_change_none() -> None:
    longer = dataclasses.replace(SMALL, clips={"train": 12, "valid": 6, "test": 20})
    assert simulate(longer)[: len(simulate(SMALL))] == simulate(SMALL)


def test_codes_sit_at_one_place_of_a_map_and_cues_in_their_own_dimensions() -> None:
    renderer, clips = Renderer(CONFIG), simulate(CONFIG)[:300]
    for clip in clips[:20]:
        place = np.abs(renderer.render(clip, "video")["map"].astype(float)).sum(1)
        assert (place > 0.5 * place.max()).sum() == 1
        assert renderer.render(clip, "text")["sequence"].shape == (CONFIG.text_steps, renderer.dim)
    audio = np.stack([renderer.render(clip, "audio")["sequence"].astype(float).sum(0) for clip in clips])
    cued, marked = (np.array([flag(clip) for clip in clips]) for flag in (lambda c: "audio" in c.cued, lambda c: c.marked))
    for dimension, on in ((CUE, cued), (MARKER, marked)):
        assert audio[on, dimension].mean() - audio[~on, dimension].mean() == pytest.approx(CONFIG.cue, abs=0.7)


def test_what_a_modality_shows_is_recovered_as_often_as_params_say() -> None:
    many = dataclasses.replace(CONFIG, clips={"train": 3000, "valid": 300, "test": 1200})
    renderer, clips = Renderer(many), simulate(many)[:3000]
    for modality in ("text", "video"):
        codes = np.stack([renderer.render(clip, modality)["sequence"].astype(float).mean(0) for clip in clips])
        right = codes[:, : len(CLASSES)].argmax(1) == [clip.shown[modality] for clip in clips]
        assert right.mean() == pytest.approx(many.accuracy[modality], abs=0.06)  # thirty speakers' effects move it


def test_the_corpus_is_written_once_and_its_parts_share_no_speaker(tmp_path: Path) -> None:
    clips, embeddings = tmp_path / "clips", tmp_path / "embeddings"
    assert write_bench(SMALL, clips, embeddings, ShardSettings(2, 0.0))["computed"] == 3 * 26
    assert write_bench(SMALL, clips, embeddings, ShardSettings(2, 0.0))["reused"] == 3 * 26
    manifest, fold = read_manifest(clips), read_splits(clips)["speaker"][0]
    assert all(counts["speaker"] == 0 for counts in overlaps(fold, manifest).values())
    features = read_features(embeddings / "bench_video")
    assert features[manifest.ids[0]]["map"].shape == (CONFIG.positions, CONFIG.nuisance + len(CLASSES) + 2)


def test_weakening_changes_one_modality_only() -> None:
    weak = CONFIG.weaken("audio")
    assert weak.accuracy == {**CONFIG.accuracy, "audio": CONFIG.weak_accuracy}
    clip, (strong, weakened) = simulate(CONFIG)[0], map(Renderer, (CONFIG, weak))
    same = {m: np.array_equal(weakened.render(clip, m)["sequence"], strong.render(clip, m)["sequence"]) for m in MODALITIES}
    assert same == {"text": True, "audio": False, "video": True}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("shares", {"congruent": 0.5, "hidden": 0.5, "sarcasm": 0.5, "mask": 0.0}, "sum to 1"),
        ("accuracy", {"text": 0.85, "audio": 0.1, "video": 0.75}, "between chance"),
        ("clips", {"train": 5}, "needs the keys"),
        ("label_noise", 1.0, "shares from 0"),
        ("frames", 0, "one or more"),
    ],
)
def test_a_corpus_that_cannot_be_is_refused(key: str, value: object, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        build(BenchConfig, {**read_params(ROOT / "params.yaml")["bench"], key: value}, "bench")

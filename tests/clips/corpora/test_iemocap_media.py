"""The official release of IEMOCAP with its media, in miniature: from index_clips to features."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.clips.manifest import read_manifest
from pipeline.clips.ready_rows import merge_rows, read_rows
from pipeline.clips.splits import PARTS, check_ids, read_splits
from pipeline.extract.audio import AudioReader
from pipeline.extract.faces import FaceExtractor, FacesConfig
from pipeline.extract.logmel import LogmelExtractor
from pipeline.extract.logmel_config import read_logmel_config
from pipeline.extract.sound import Sound
from pipeline.extract.tokens import TokenExtractor, TokensConfig
from pipeline.extract.video import read_frames
from pipeline.params import read_row
from pipeline.shards.extractor import Skip
from pipeline.tasks.task import Task
from stages import index_clips
from tests.clips.corpora.iemocap_miniature import DURATION, LISTS, TONES, TURNS, make_lists, make_release


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature with media, its ready-made rows, and what index_clips makes of it."""
    folder = tmp_path_factory.mktemp("iemocap")
    make_release(folder / "release")
    make_lists(folder / "lists")
    (folder / "params.yaml").write_text("shards: {num_shards: 2, max_skipped: 0.0}\n")
    merge_rows(folder / "params.yaml", read_rows("iemocap", "iemocap")[0])
    params = folder / "params.yaml"
    summary = index_clips.main("iemocap", folder / "lists", folder / "release", folder / "clips", params=params, partial=True)
    assert summary["media"] == {"hashed": 6, "known": 0, "absent": 0}
    return folder


def test_the_index_has_every_turn_and_both_splits(indexed: Path) -> None:
    manifest, splits = read_manifest(indexed / "clips"), read_splits(indexed / "clips")
    assert manifest.ids == tuple(sorted(TURNS))
    check_ids(splits, manifest)
    assert {part: splits["iemocap_6"][0].part(part) for part in PARTS} == {part: tuple(sorted(ids)) for part, ids in LISTS.items()}


def test_pictures_are_of_the_speakers_half_without_borders(indexed: Path) -> None:
    manifest = read_manifest(indexed / "clips")
    for turn, colour in (("Ses01F_impro01_F000", 0), ("Ses01F_impro01_M000", 2)):
        frames = read_frames(manifest[turn], indexed / "release", 5)
        assert not isinstance(frames, Skip)
        picture = next(frames).picture
        assert picture.shape == (140, 180, 3)
        assert picture[:, :20].mean(axis=(0, 1)).argmax() == colour
        assert picture.min(axis=2)[:, :20].min() > 60


def test_the_sound_is_the_speakers_channel(indexed: Path) -> None:
    reader = AudioReader(indexed / "release")
    for clip in read_manifest(indexed / "clips"):
        sound = reader.read(clip)
        assert isinstance(sound, Sound)
        spectrum = np.abs(np.fft.rfft(sound.samples))
        assert spectrum.argmax() * sound.rate / len(sound.samples) == pytest.approx(TONES[clip.channel or 0], abs=5)
        assert len(sound.samples) / sound.rate == pytest.approx(min(clip.end or 0, DURATION) - clip.start, abs=0.001)


def test_every_turn_becomes_log_mels_and_tokens_and_a_face_is_found_on_either_side(indexed: Path) -> None:
    manifest, media, params = read_manifest(indexed / "clips"), indexed / "release", indexed / "params.yaml"
    logmels = LogmelExtractor(read_logmel_config(params, "iemocap"), media)
    tokens = TokenExtractor(read_row(params, "tokens", "iemocap", TokensConfig))
    faces = FaceExtractor(read_row(params, "faces", "iemocap", FacesConfig), media)
    assert not [clip.id for clip in manifest if isinstance(logmels.extract(clip), Skip)]
    assert not [clip.id for clip in manifest if isinstance(tokens.extract(clip), Skip)]
    for turn in ("Ses01F_impro01_F000", "Ses01F_impro01_M000"):
        row = faces.extract(manifest[turn])
        assert not isinstance(row, Skip), row
        assert row["found"].all()


def test_both_tasks_take_the_splits_as_they_declare_them(indexed: Path) -> None:
    manifest, splits = read_manifest(indexed / "clips"), read_splits(indexed / "clips")
    for name, num_folds in (("iemocap_6", 1), ("iemocap_4", 2)):
        task = Task.read(indexed / "params.yaml", name)
        folds = task.folds(manifest, splits)
        assert len(folds) == num_folds
        for fold in folds:
            assert len(task.targets([manifest[i] for i in fold.train])["M"]) == len(fold.train)

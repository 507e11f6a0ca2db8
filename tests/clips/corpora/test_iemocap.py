"""The official release of IEMOCAP, in miniature: whose half, whose channel, which labels, which splits, what is missing."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from pipeline.clips.clip import Clip
from pipeline.clips.corpora import iemocap
from pipeline.clips.corpora.iemocap import LAYOUT, LEFT, RIGHT, read
from pipeline.clips.iemocap_turns import LIST_SIZES
from pipeline.clips.listing import Listing
from pipeline.errors import ManifestError, ParamsError
from pipeline.extract.audio import AudioReader
from pipeline.extract.sound import Sound
from tests.clips.corpora.iemocap_miniature import LISTS, TONES, TURNS, make_lists, make_release, write, write_tones


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release without media, and lists beside it."""
    make_lists(tmp_path / "lists")
    return make_release(tmp_path / "release", media=False)


def list_clips(release: Path, **options: str) -> Listing:
    return read(release.parent / "lists", release, **options)


def clips_of(release: Path, **options: str) -> dict[str, Clip]:
    return {clip.id: clip for clip in list_clips(release, **options).clips}


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the published numbers be those of the miniature."""
    words = {turn: emotion for turn, (_, _, emotion, _, _) in TURNS.items()}
    monkeypatch.setattr(iemocap, "NUM_TURNS", len(TURNS))
    monkeypatch.setattr(iemocap, "NUM_DIALOGUES", 3)
    monkeypatch.setattr(iemocap, "NUM_LABELLED", dict(Counter(words.values())))
    monkeypatch.setattr(iemocap, "LIST_SIZES", {part: len(ids) for part, ids in LISTS.items()})
    monkeypatch.setattr(iemocap, "NUM_LISTED", {part: dict(Counter(words[i] for i in ids)) for part, ids in LISTS.items()})


def test_a_turn_has_its_times_labels_text_speaker_and_recording(release: Path) -> None:
    clip = clips_of(release)["Ses01F_impro01_F000"]
    assert (clip.media, clip.audio) == ("Session1/dialog/avi/DivX/Ses01F_impro01.avi", "Session1/dialog/wav/Ses01F_impro01.wav")
    assert (clip.start, clip.end, clip.text, clip.speaker, clip.group) == (0.0, 0.4, "Excuse me.", "Ses01F", "Ses01F_impro01")
    values = {"valence": 3.5, "activation": 3.0, "dominance": 2.5}
    six = {"ang": 0, "exc": 0, "fru": 0, "hap": 1, "neu": 0, "sad": 0}
    assert clip.labels == {"emotion": "hap", "emotion_4": "hap", "turns": "improvised", **six, **values}


@pytest.mark.parametrize(
    ("turn", "is_left"),
    [
        ("Ses01F_impro01_F000", True),
        ("Ses01F_impro01_M000", False),
        ("Ses01M_script01_1_M000", True),
        ("Ses01M_script01_1_F000", False),
        ("Ses02F_impro02_MX01", False),
    ],
)
def test_whoever_wears_the_markers_sits_left_and_speaks_left(release: Path, turn: str, is_left: bool) -> None:
    clip = clips_of(release)[turn]
    assert (clip.region, clip.channel) == ((LEFT, 0) if is_left else (RIGHT, 1))


def test_the_parts_of_the_picture_are_rows_100_to_380_of_either_half() -> None:
    assert [[round(edge * size) for edge, size in zip(region, (720, 480) * 2, strict=True)] for region in (LEFT, RIGHT)] == [
        [0, 100, 360, 380],
        [360, 100, 720, 380],
    ]


def test_excited_turns_are_happy_ones_of_four_classes_and_turns_without_agreement_are_of_none(release: Path) -> None:
    clips = clips_of(release)
    assert {i: clip.labels["emotion_4"] for i, clip in clips.items() if clip.labels["emotion_4"] != clip.labels["emotion"]} == {
        "Ses01F_impro01_M000": "hap",
        "Ses01F_impro01_F001": None,
        "Ses02F_impro02_MX01": None,
    }
    assert not any(clips["Ses01F_impro01_F001"].labels[name] for name in ("ang", "exc", "fru", "hap", "neu", "sad"))


def test_scripted_turns_are_told_from_improvised_ones(release: Path) -> None:
    assert Counter(clip.labels["turns"] for clip in clips_of(release).values()) == {"improvised": 5, "scripted": 2}


def test_a_text_is_all_that_follows_the_first_colon(release: Path) -> None:
    assert clips_of(release)["Ses01F_impro01_M000"].text == "It says: bring this: and that."


def test_files_of_macos_speakers_lines_and_turns_without_evaluation_are_no_turns(release: Path) -> None:
    assert sorted(clips_of(release)) == sorted(TURNS)


def test_a_turn_without_a_line_in_the_transcript_has_no_text(release: Path, published: None) -> None:
    write(release / "Session2/dialog/transcriptions/Ses02F_impro02.txt", "Ses02F_impro02_F000 [000.0000-000.5000]: Okay.\r\n")
    clips = clips_of(release)
    assert (clips["Ses02F_impro02_F000"].text, clips["Ses02F_impro02_MX01"].text) == ("Okay.", None)
    assert not list_clips(release).discrepancies


def test_a_missing_transcript_is_named(release: Path, published: None) -> None:
    (release / "Session2/dialog/transcriptions/Ses02F_impro02.txt").unlink()
    (discrepancy,) = list_clips(release).discrepancies
    assert str(discrepancy).startswith("transcripts of dialogues: 2 of 3; missing: Ses02F_impro02")
    assert clips_of(release)["Ses02F_impro02_F000"].text is None


def test_the_folder_that_holds_the_release_will_do(release: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    release.rename(tmp_path / "raw" / "IEMOCAP_full_release")
    (clip, *_) = read(tmp_path / "lists", tmp_path / "raw").clips
    assert clip.media == "IEMOCAP_full_release/Session1/dialog/avi/DivX/Ses01F_impro01.avi"


def test_the_sound_of_sentences_has_times_of_its_own(release: Path) -> None:
    for turn, (start, end, *_) in TURNS.items():
        name = f"Session{turn[4]}/sentences/wav/{turn.rpartition('_')[0]}/{turn}.wav"
        write_tones(release / name, TONES[0], duration=end - start)
    clip = clips_of(release)["Ses01M_script01_1_F000"]
    assert (clip.audio, clip.audio_start) == ("Session1/sentences/wav/Ses01M_script01_1/Ses01M_script01_1_F000.wav", 0.0)
    assert (clip.media, clip.start, clip.end) == ("Session1/dialog/avi/DivX/Ses01M_script01_1.avi", 0.2, 0.7)
    sound = AudioReader(release).read(clip)
    assert isinstance(sound, Sound)
    assert len(sound.samples) == 8000


def test_dialogues_are_preferred_to_sentences(release: Path) -> None:
    for folder in ("dialog/wav/Ses01F_impro01.wav", "sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"):
        write_tones(release / "Session1" / folder, *TONES, duration=0.1)
    clip = clips_of(release, video="none")["Ses01F_impro01_F000"]
    assert (clip.audio, clip.start, clip.end, clip.media) == ("Session1/dialog/wav/Ses01F_impro01.wav", 0.0, 0.4, None)


@pytest.mark.parametrize(("options", "said"), [({"video": "avi"}, "dialog or none, not avi"), ({"sound": "mp3"}, "not mp3")])
def test_an_option_of_another_value_is_told(release: Path, options: dict[str, str], said: str) -> None:
    with pytest.raises(ParamsError, match=said):
        list_clips(release, **options)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("\thap\t", "\tjoy\t", r"Ses01F_impro01.txt, line 3: IEMOCAP has no emotion 'joy'"),
        ("[0.0000 - 0.4000]", "[0.4000 - 0.4000]", "line 3: clip Ses01F_impro01_F000: end 0.4 must come after"),
        ("[0.0000 - 0.4000]", "[0.0.0 - 0.4000]", r"line 3: .* is not `\[start - end\]"),
        ("\thap\t", "\t", r"line 3: .* is not `\[start - end\]"),
        ("Ses01F_impro01_F000", "../../secret_F000", "line 3: .* is no turn of IEMOCAP"),
    ],
)
def test_a_line_that_no_rule_knows_is_named(release: Path, old: str, new: str, said: str) -> None:
    file = release / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(ManifestError, match=said):
        list_clips(release)


def test_labels_that_are_not_text_are_told(release: Path) -> None:
    (release / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match=r"Ses01F_impro01\.txt is not readable text"):
        list_clips(release)


def test_a_folder_that_is_no_release_is_told_the_layout(release: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="does not hold IEMOCAP") as caught:
        read(tmp_path / "lists", tmp_path / "lists")
    assert LAYOUT in str(caught.value)
    for file in release.glob(iemocap.EVALUATIONS):
        file.unlink()
    with pytest.raises(ManifestError, match="has no label file Session"):
        list_clips(release)


def test_absent_lists_are_told(release: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"holds no train.txt or train_split.txt"):
        read(tmp_path, release)


def test_a_whole_copy_has_no_discrepancies(release: Path, published: None) -> None:
    assert list_clips(release).discrepancies == ()


def test_what_a_copy_lacks_is_counted_and_named(release: Path, published: None) -> None:
    shutil.rmtree(release / "Session2")
    said = "\n".join(map(str, list_clips(release).discrepancies))
    assert "labelled turns: 5 of 7 (looked at Session*/dialog/EmoEvaluation/Ses*.txt)" in said
    assert "dialogues: 2 of 3; missing: Ses02F_impro02" in said
    assert "turns labelled `fru`: 0 of 1" in said
    assert "clips of the list `iemocap_6`, valid: 1 of 2; missing: Ses02F_impro02_MX01" in said
    assert "train" not in said


def test_other_labels_under_the_same_ids_are_told(release: Path, published: None) -> None:
    file = release / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    file.write_text(file.read_text().replace("\thap\t", "\tneu\t"))
    said = "\n".join(map(str, list_clips(release).discrepancies))
    assert "turns labelled `hap` in the list `iemocap_6`, train: 0 of 1" in said


def test_the_miniature_is_no_whole_copy(release: Path) -> None:
    assert "labelled turns: 7 of 10039" in "\n".join(map(str, list_clips(release).discrepancies))


def test_the_published_numbers_agree_with_each_other() -> None:
    assert sum(iemocap.NUM_LABELLED.values()) == iemocap.NUM_TURNS
    assert {part: sum(counts.values()) for part, counts in iemocap.NUM_LISTED.items()} == LIST_SIZES
    six = sum((Counter(counts) for counts in iemocap.NUM_LISTED.values()), Counter())
    assert six == {emotion: iemocap.NUM_LABELLED[emotion] for emotion in six}


def test_folds_hold_the_four_classes_only_and_lack_no_part(release: Path) -> None:
    folds = list_clips(release).splits["iemocap_4"]
    assert [(fold.train, fold.valid, fold.test) for fold in folds[:1]] == [
        (("Ses02F_impro02_F000",), ("Ses01F_impro01_F000", "Ses01M_script01_1_F000"), ("Ses01F_impro01_M000", "Ses01M_script01_1_M000"))
    ]
    assert len(folds) == 2

"""CREMA-D: 91 actors say twelve sentences in six emotions; the labels stand in the files' names.

Houwei Cao, David G. Cooper, Michael K. Keutmann, Ruben C. Gur, Ani Nenkova, Ragini Verma. CREMA-D: Crowd-Sourced Emotional Multimodal
Actors Dataset. IEEE Transactions on Affective Computing 5(4), 2014. Layout and what is wrong with which file: the README of the corpus'
repository (CheyneyComputerScience/CREMA-D) and its issues 6, 8 and 13.

A name is actor_sentence_emotion_level. The picture is that of VideoFlash; the sound is the wav file where the copy has one, since some
videos were published without sound or with a faulty one, and the wav is the recording (issue 13). A clip that has sound files only is one
without picture. Both folders may also be one flat folder.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pipeline.clips.clip import Clip, Label
from pipeline.clips.listing import Listing, count
from pipeline.clips.splits import rotate_folds
from pipeline.clips.tables import read_csv
from pipeline.errors import ManifestError, ParamsError

EXPECTED_CLIPS = 7442
ACTORS = tuple(str(number) for number in range(1001, 1092))
NUM_FOLDS = 5
EMOTIONS = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified"}
VIDEO, SOUND = (".flv", ".mp4", ".mkv", ".avi", ".mov"), (".wav", ".mp3")
MISLABELLED = {
    "1064_IEO_DIS_MD",  # one minute that holds every emotion of the sentence
    "1076_MTI_SAD_XX",  # an error picture without sound
}
"""Listed, but in no part of the folds: by the corpus' README they do not show what their names say."""
LAYOUT = """\
  VideoFlash/1001_DFA_ANG_XX.flv …   (or .mp4)
  AudioWAV/1001_DFA_ANG_XX.wav …     (or AudioMP3/….mp3, or everything in one folder)
  SentenceFilenames.csv              (or in the folder of the labels: which clips there are; without it nobody knows which are missing)
  VideoDemographics.csv              (the same: sex and age of the actors)"""
_NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})")


def read(labels: Path, media: Path, sound: str = "wav") -> Listing:
    """Read the clips and five folds by actor, `actors`: consecutive blocks of actors, see `rotate_folds`.

    Args:
        labels: folder of sentences.csv, and of SentenceFilenames.csv and VideoDemographics.csv where they are not beside the media.
        media: the corpus' folder; it need not be there if SentenceFilenames.csv is.
        sound: `wav`: of the wav file beside a video, where there is one; `video`: of the video always.

    Raises:
        ParamsError: `sound` is neither.
        ManifestError: a table is absent or wrong, a name has an unknown part, or the media are git-lfs pointers.
    """
    if sound not in ("wav", "video"):
        raise ParamsError(f"the option sound of crema_d is wav or video, not {sound!r}")
    texts = {row["code"]: row["text"] for _, row in read_csv(labels / "sentences.csv", ("code", "text"))}
    actors = {row["ActorID"]: row for row in _read_list(labels, media, "VideoDemographics.csv", ("ActorID", "Age", "Sex"))}
    files = _list_files(media)
    published = [_normalise(row["Filename"]) for row in _read_list(labels, media, "SentenceFilenames.csv", ("Filename",))]
    clips = [_make_clip(name, files.get(name, {}), texts, actors, sound) for name in published or sorted(files)]
    speakers = {clip.id: str(clip.speaker) for clip in clips if clip.id not in MISLABELLED}
    lacking = count("clips", EXPECTED_CLIPS, clips, where="VideoFlash/*.flv, AudioWAV/*.wav and AudioMP3/*.mp3, or all in one folder")
    return Listing(clips, {"actors": rotate_folds(speakers, NUM_FOLDS, ACTORS)}, lacking, LAYOUT)


def _read_list(labels: Path, media: Path, name: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rows of one of the corpus' own lists, beside the labels or the media; none where neither has it."""
    path = next((folder / name for folder in (labels, media) if (folder / name).exists()), None)
    return [] if path is None else [row for _, row in read_csv(path, columns)]


def _list_files(media: Path) -> dict[str, dict[str, str]]:
    """Return clip name → suffix → path below the folder, for the media that are there.

    Raises:
        ManifestError: files hold a pointer of git-lfs in the place of media.
    """
    files: dict[str, dict[str, str]] = defaultdict(dict)
    for path in _find_media(media):
        files[_normalise(path.stem)].setdefault(path.suffix.lower(), path.relative_to(media).as_posix())
    _refuse_pointers(media, (path for each in files.values() for path in each.values()))
    return files


def _find_media(media: Path) -> Iterator[Path]:
    """Yield the corpus' media files, in the folder itself and one below."""
    for path in (*sorted(media.glob("*.*")), *sorted(media.glob("*/*.*"))):
        if path.suffix.lower() in (*VIDEO, *SOUND) and _NAME.fullmatch(path.stem):
            yield path


def _refuse_pointers(media: Path, names: Iterable[str]) -> None:
    """Refuse a clone that was made without git-lfs: small texts that stand for the media."""
    small = (name for name in names if (media / name).stat().st_size < 1024)
    pointers = [name for name in small if (media / name).read_bytes().startswith(b"version https://git-lfs")]
    if pointers:
        raise ManifestError(
            f"{len(pointers)} files in {media} are pointers of git-lfs, no media: {', '.join(pointers[:10])}; run `git lfs pull` there"
        )


def _normalise(name: str) -> str:
    """Return a clip's name as the lists spell it: older clones have 1040_ITH_SAD_X.wav, with one X (issue 6)."""
    return f"{name}X" if name.endswith("_X") else name


def _make_clip(name: str, files: Mapping[str, str], texts: Mapping[str, str], actors: Mapping[str, Mapping[str, str]], sound: str) -> Clip:
    """Return the clip of a name; where this copy has no file of it, its media are where the corpus' repository has them."""
    match = _NAME.fullmatch(name)
    actor, sentence, emotion, level = match.groups() if match else ("",) * 4
    if actor not in ACTORS or sentence not in texts or emotion not in EMOTIONS or level not in LEVELS:
        raise ManifestError(f"{name!r} is no clip of CREMA-D: actor 1001 to 1091, sentence, emotion and level, as in 1001_DFA_ANG_XX")
    files = files or {".flv": f"VideoFlash/{name}.flv", ".wav": f"AudioWAV/{name}.wav"}
    video = next((files[suffix] for suffix in VIDEO if suffix in files), None)
    audio = next((files[suffix] for suffix in SOUND if suffix in files), None)
    labels: dict[str, Label] = {"emotion": EMOTIONS[emotion], "level": LEVELS[level], "sentence": sentence}
    if actor in actors:
        labels |= {"sex": actors[actor]["Sex"].lower(), "age": _read_age(actors[actor])}
    own = files.get(".wav") if video and sound == "wav" else None
    return Clip(name, media=video or audio, audio=own, text=texts[sentence], speaker=actor, labels=labels)


def _read_age(actor: Mapping[str, str]) -> float:
    """Return an actor's age (years)."""
    try:
        return float(actor["Age"])
    except ValueError as error:
        raise ManifestError(f"VideoDemographics.csv: the age of actor {actor['ActorID']} is {actor['Age']!r}, no number") from error

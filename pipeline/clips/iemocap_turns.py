"""What the id and the emotion of a turn of IEMOCAP say, wherever the turn was found.

Carlos Busso and others. IEMOCAP: Interactive emotional dyadic motion capture database. Language Resources and Evaluation 42, 2008.
Ten actors in five sessions, one woman and one man each. `Ses01F_script02_1_M013` is the man's turn 13 in a dialogue of session 1 in which
the woman wears the motion-capture markers. Whoever wears them sits in the left half of the picture and speaks on the left channel.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.clips.clip import Clip, Label
from pipeline.clips.splits import Fold
from pipeline.errors import ManifestError

SIX = ("ang", "exc", "fru", "hap", "neu", "sad")
"""The emotions of source 1, each a yes/no label (methods.md §3.1)."""
FOUR = {"ang": "ang", "exc": "hap", "hap": "hap", "neu": "neu", "sad": "sad"}
"""Emotion to the class of source 2, which counts excited turns as happy ones (methods.md §2.6)."""
OTHERS = ("dis", "fea", "oth", "sur", "xxx")
"""Emotions that neither source learns; xxx: the annotators did not agree."""
KINDS = {"impro": "improvised", "script": "scripted"}
SESSIONS = ("Ses01", "Ses02", "Ses03", "Ses04", "Ses05")
LIST_SIZES = {"train": 5162, "valid": 737, "test": 1481}
"""Ids in source 1's lists (methods.md §3.1)."""
_ID = re.compile(r"(?P<dialogue>(?P<session>Ses0[1-5])(?P<markers>[FM])_(?P<kind>impro|script)\w+)_(?P<gender>[FM])\w+")


@dataclass(frozen=True)
class Turn:
    """What a turn's id says.

    Args:
        dialogue: the recording.
        speaker: session and gender, such as Ses01F.
        is_left: whether the speaker sits in the left half of the picture and speaks on the left channel.
        kind: improvised or scripted; the same scripts are played in every session.
    """

    dialogue: str
    speaker: str
    is_left: bool
    kind: str

    @classmethod
    def of(cls, turn_id: str) -> "Turn":
        """Read an id.

        Raises:
            ManifestError: it is not an id of IEMOCAP.
        """
        match = _ID.fullmatch(turn_id)
        if match is None:
            raise ManifestError(f"{turn_id[:80]!r} is no turn of IEMOCAP; one is called Ses01F_impro01_F000 or Ses01F_script01_1_M000")
        is_left = match["markers"] == match["gender"]
        return cls(match["dialogue"], match["session"] + match["gender"], is_left, KINDS[match["kind"]])


def label_turn(turn: Turn, emotion: str) -> dict[str, Label]:
    """Return the labels that an emotion stands for: the word, source 2's class, and source 1's six yes/no labels.

    Raises:
        ManifestError: IEMOCAP has no such emotion.
    """
    if emotion not in (*SIX, *OTHERS):
        raise ManifestError(f"IEMOCAP has no emotion {emotion[:80]!r}; it has {', '.join((*SIX, *OTHERS))}")
    labels: dict[str, Label] = {"emotion": emotion, "emotion_4": FOUR.get(emotion), "turns": turn.kind}
    return labels | {name: float(name == emotion) for name in SIX}


def speaker_folds(clips: Iterable[Clip]) -> tuple[Fold, ...]:
    """Return source 2's ten folds over the turns of its four classes (methods.md §2.6).

    Folds 1 to 5 select on the women of sessions 5 to 1 and test on the men, folds 6 to 10 the other way round; the other four sessions
    train. So no two parts share a speaker, while valid and test share their dialogues. A fold that lacks a part is left out.
    """
    ids: dict[str, list[str]] = defaultdict(list)
    for clip in clips:
        if clip.labels["emotion_4"] is not None:
            ids[clip.speaker or ""].append(clip.id)
    folds = [_fold(ids, session, *genders) for genders in ("FM", "MF") for session in reversed(SESSIONS)]
    return tuple(fold for fold in folds if fold.train and fold.valid and fold.test)


def _fold(ids: Mapping[str, list[str]], session: str, valid: str, test: str) -> Fold:
    """Return the fold that selects on one speaker of a session, and tests on the other."""
    train = [i for speaker, own in ids.items() if not speaker.startswith(session) for i in own]
    return Fold.of({"train": train, "valid": ids.get(session + valid, []), "test": ids.get(session + test, [])})

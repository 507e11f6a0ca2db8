"""Which clips of a train part an encoder sees, and which of those choose its best epoch: a pure function of the train part.

The task's valid part stays unseen, so that a new clip there refits nothing and what it selects is judged fairly.
"""

import hashlib
from collections.abc import Callable, Sequence

from pipeline.clips.clip import Clip
from pipeline.errors import SplitError

SLACK = 0.15
"""How far the share of clips held out may lie from what was asked, before clips are told apart by something finer than their speaker."""


def choose_clips(clips: Sequence[Clip], fit_share: str, valid_share: float, where: str) -> tuple[list[Clip], list[Clip]]:
    """Return the clips that an encoder is fitted on, and those that choose its best epoch.

    Args:
        clips: of the train part, those with features.
        fit_share: `half` leaves half of them to the models that fuse.
        valid_share: share of what it may see that chooses the epoch.
        where: heads the message.

    Raises:
        SplitError: there are too few clips.
    """
    ordered = sorted(clips, key=lambda clip: clip.id)
    seen = hold_out(ordered, 0.5, "share") if fit_share == "half" else ordered
    valid = hold_out(seen, valid_share, "valid")
    held = {clip.id for clip in valid}
    fitted = [clip for clip in seen if clip.id not in held]
    if len(fitted) < 2 or not valid:
        raise SplitError(f"{where}: {len(clips)} clips with features in the train part are too few to fit an encoder on")
    return fitted, valid


def hold_out(clips: Sequence[Clip], share: float, purpose: str) -> list[Clip]:
    """Return about `share` of the clips: whole speakers, or recordings where speakers are too few or unknown, or single clips.

    Speakers are taken in the order of their hash, so neither their names nor the order of the clips matters.
    """
    keys: tuple[Callable[[Clip], str | None], ...] = (lambda clip: clip.speaker, lambda clip: clip.group)
    for key in keys:
        held = _take(clips, [key(clip) for clip in clips], share, purpose)
        if abs(len(held) - share * len(clips)) <= SLACK * len(clips) and 0 < len(held) < len(clips):
            return held
    return _take(clips, [clip.id for clip in clips], share, purpose)


def _take(clips: Sequence[Clip], keys: Sequence[str | None], share: float, purpose: str) -> list[Clip]:
    """Return the clips of the first keys, in the order of their hash, that together come nearest to the share; none if a key is unknown."""
    if any(key is None for key in keys):
        return []
    order = sorted({str(key) for key in keys}, key=lambda key: hashlib.blake2b(f"{purpose}:{key}".encode()).digest())
    chosen: set[str] = set()
    count = 0
    for key in order:
        size = keys.count(key)
        if abs(count + size - share * len(clips)) > abs(count - share * len(clips)):
            break
        chosen.add(key)
        count += size
    return [clip for clip, key in zip(clips, keys, strict=True) if key in chosen]

"""Which clips an encoder sees."""

from pipeline.training.encoder_clips import choose_clips, hold_out
from tests.conftest import make_clip

CLIPS = [make_clip(f"c{i:02d}", speaker=f"s{i % 10}") for i in range(60)]


def test_whole_speakers_are_held_out() -> None:
    held = {clip.speaker for clip in hold_out(CLIPS, 0.2, "valid")}
    assert len(held) == 2
    assert len(hold_out(CLIPS, 0.2, "valid")) == 12


def test_the_order_of_the_clips_does_not_matter() -> None:
    assert choose_clips(CLIPS, "half", 0.2, "") == choose_clips(CLIPS[::-1], "half", 0.2, "")


def test_recordings_are_held_out_where_speakers_are_unknown() -> None:
    clips = [make_clip(f"c{i:02d}", speaker=None, group=f"g{i % 5}") for i in range(60)]
    held = hold_out(clips, 0.2, "valid")
    assert len({clip.group for clip in held}) == 1
    assert len(held) == 12


def test_single_clips_are_held_out_where_there_are_too_few_recordings() -> None:
    clips = [make_clip(f"c{i:02d}", speaker="s", group="g") for i in range(60)]
    assert len(hold_out(clips, 0.2, "valid")) == 12


def test_half_keeps_speakers_apart_and_a_new_clip_of_a_known_speaker_moves_no_other() -> None:
    fitted, valid = choose_clips(CLIPS, "half", 0.2, "")
    seen = {clip.id for clip in fitted + valid}
    more, chosen = choose_clips([*CLIPS, make_clip("new", speaker="s3")], "half", 0.2, "")
    assert len(seen) == 30
    assert {clip.id for clip in more + chosen} - {"new"} == seen

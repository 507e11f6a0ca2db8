"""The corpus on disk: layout, labels, durations, the same bytes each time, and clips kept from earlier renderings."""

import csv
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from pipeline.demo.corpus import COLUMNS, make_corpus, plan_corpus
from pipeline.demo.emotions import EMOTIONS
from tests.demo.demo_config import make_config

CONFIG = make_config()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three rendered clips."""
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(CONFIG, folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_two_renderings_are_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    make_corpus(CONFIG, tmp_path, workers=2)
    assert contents(tmp_path) == contents(corpus)


def test_more_clips_change_none(corpus: Path, tmp_path: Path) -> None:
    make_corpus(make_config(num_clips=4), tmp_path)
    larger = contents(tmp_path)
    kept = {name: data for name, data in contents(corpus).items() if name.endswith(".mp4")}
    assert {name: larger[name] for name in kept} == kept
    assert larger["label.csv"].startswith(contents(corpus)["label.csv"])


def test_the_layout_is_that_of_ch_sims(corpus: Path) -> None:
    with (corpus / "label.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["clip_id"] for row in rows] == ["0001", "0002", "0003"]
    for row in rows:
        assert (corpus / "Raw" / row["video_id"] / f"{row['clip_id']}.mp4").stat().st_size > 5000
        assert row["mode"] in ("train", "valid", "test")
        assert row["speaker"].startswith("speaker_")
        assert {row[name] for name in EMOTIONS} <= {"0", "1"}
        assert all(-1 <= float(row[name]) <= 1 for name in ("label", "label_T", "label_A", "label_V"))
        assert row["annotation"] == ("Negative" if float(row["label"]) < 0 else "Positive" if float(row["label"]) > 0 else "Neutral")


def test_clips_are_h264_and_aac_of_the_same_length(corpus: Path) -> None:
    for path in corpus.glob("Raw/*/*.mp4"):
        with av.open(str(path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
            assert (video.width, video.height, video.average_rate, audio.rate) == (160, 120, 25, 16000)
            frames = sum(1 for _ in container.decode(video=0))
        assert 1.5 <= frames / 25 <= 3.0
        assert video.frames == frames
        assert float((audio.duration or 0) * (audio.time_base or 0)) == pytest.approx(frames / 25, abs=0.07)


def test_an_earlier_rendering_is_kept_and_what_it_has_too_much_removed(corpus: Path, tmp_path: Path) -> None:
    grown = make_corpus(make_config(num_clips=4), tmp_path / "grown", earlier=[corpus])
    assert (grown["computed"], grown["reused"]) == (1, 3)
    shrunk = make_corpus(CONFIG, tmp_path / "grown")
    assert (shrunk["computed"], shrunk["reused"]) == (0, 3)
    assert contents(tmp_path / "grown") == contents(corpus)


def test_the_recipe_is_replaced_and_never_written_into(corpus: Path, tmp_path: Path) -> None:
    shutil.copytree(corpus, tmp_path / "again")
    os.link(tmp_path / "again" / "recipe.json", tmp_path / "before")
    assert make_corpus(CONFIG, tmp_path / "again")["computed"] == 0
    assert contents(tmp_path / "again") == contents(corpus)
    assert not (tmp_path / "before").samefile(tmp_path / "again" / "recipe.json")


def test_dearer_earlier_renderings_are_left_alone_when_nothing_is_missing(corpus: Path, tmp_path: Path) -> None:
    def earlier() -> Iterator[Path]:
        yield corpus
        pytest.fail("the next version would be fetched from the team's remote")

    assert make_corpus(CONFIG, tmp_path / "again", earlier())["computed"] == 0


def test_another_seed_keeps_nothing(corpus: Path, tmp_path: Path) -> None:
    assert plan_corpus(make_config(seed=2), [corpus])["reused"] == 0
    assert make_corpus(make_config(seed=2, num_clips=1), tmp_path, earlier=[corpus])["computed"] == 1


def test_the_plan_counts_without_writing(corpus: Path, tmp_path: Path) -> None:
    plan = plan_corpus(make_config(num_clips=240), [corpus, tmp_path])
    assert (plan["computed"], plan["reused"], plan["clips"], plan["speakers"]) == (237, 3, 240, 12)
    assert Counter(plan["parts"]).total() == 240
    assert not list(tmp_path.iterdir())


def test_a_folder_with_a_torn_recipe_is_rendered_anew(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text('{"version": 1,')
    assert make_corpus(make_config(num_clips=1), tmp_path)["computed"] == 1
    assert plan_corpus(make_config(num_clips=1), [tmp_path])["reused"] == 1

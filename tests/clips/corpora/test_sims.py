"""CH-SIMS in miniature: its label file as it comes and as spreadsheets and editors leave it."""

from pathlib import Path

import pytest

from pipeline.clips.corpora import sims
from pipeline.clips.manifest import Manifest, read_manifest
from pipeline.clips.ready_rows import read_rows
from pipeline.clips.splits import check_disjoint, check_ids
from pipeline.errors import ManifestError, ParamsError, SplitError
from pipeline.shards.features import read_features
from pipeline.tasks.task import Task
from tests.clips.corpora.miniature import make_params, make_video, run_stages

HEADER = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode"
LINES = (
    'video_0001,0001,"我爱北京, 你""呢""？",-0.8,-1,0.2,-1,Negative,train',
    "video_0001,0002,天安门！,1.0,1.0,0.8,1.0,Positive,test",
    "video_0002,0001,不，不好,0.0,0.0,0.0,0.0,Neutral,valid",
)


@pytest.fixture(autouse=True)
def numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the miniatures should hold."""
    table = {"v1": {"train": (1,), "valid": (1,), "test": (1,)}, "v2": {"train": (3, 2), "valid": (0,), "test": (1,)}}
    monkeypatch.setattr(sims, "NUM_CLIPS", table)


def write(folder: Path, *lines: str, encoding: str = "utf-8", name: str = "label.csv") -> Path:
    (folder / name).write_bytes(("\r\n".join(lines) + "\r\n").encode(encoding))
    return folder / name


def test_the_corpus_goes_through_the_stages(tmp_path: Path) -> None:
    for name in ("video_0001/0001", "video_0001/0002", "video_0002/0001"):
        make_video(tmp_path / f"sims/Raw/{name}.mp4", 0.4)
    make_params(tmp_path, {"adapter": "sims"}, '我 爱 北 京 天 安 门 不 好 , ， ！ ？ "')
    done = run_stages(tmp_path, write(tmp_path / "sims", HEADER, *LINES), tmp_path / "sims")
    assert (done["index_clips"]["clips"], done["compute_logmel"]["computed"], done["tokenize_text"]["computed"]) == (3, 3, 3)
    tokens = {i: list(read_features(tmp_path / "tokens")[i]["input_ids"]) for i in read_manifest(tmp_path / "clips").ids}
    assert tokens == {  # a character a token, unknown ones too
        "video_0001_0001": [2, 5, 6, 7, 8, 14, 1, 18, 1, 18, 17, 3],
        "video_0001_0002": [2, 9, 10, 11, 16, 3],
        "video_0002_0001": [2, 12, 15, 12, 13, 3],
    }
    frames = [len(read_features(tmp_path / "logmel")[i]["logmel"]) for i in tokens]
    assert all(41 <= number <= 50 for number in frames)  # AAC pads to whole packets


def test_a_clip_has_its_four_labels_its_text_and_its_video(tmp_path: Path) -> None:
    clip = Manifest(sims.read(write(tmp_path, HEADER, *LINES), tmp_path).clips)["video_0001_0001"]
    assert clip.labels == {"sentiment": -0.8, "sentiment_T": -1.0, "sentiment_A": 0.2, "sentiment_V": -1.0}
    assert (clip.text, clip.media) == ('我爱北京, 你"呢"？', "Raw/video_0001/0001.mp4")
    assert (clip.group, clip.speaker, clip.start, clip.end) == ("video_0001", None, 0.0, None)


def test_zeros_that_a_spreadsheet_dropped_are_put_back(tmp_path: Path) -> None:
    whole = sims.read(write(tmp_path, HEADER, *LINES), tmp_path)
    bare = [line.replace(",0001,", ",1,").replace(",0002,", ",2,") for line in LINES]
    assert sims.read(write(tmp_path, HEADER, *bare), tmp_path) == whole


def test_a_file_without_a_header_and_one_with_a_byte_order_mark_are_the_same(tmp_path: Path) -> None:
    whole = sims.read(write(tmp_path, HEADER, *LINES), tmp_path)
    assert sims.read(write(tmp_path, *LINES), tmp_path) == whole
    assert sims.read(write(tmp_path, HEADER, *LINES, encoding="utf-8-sig"), tmp_path) == whole
    assert sims.read(write(tmp_path, *LINES, encoding="utf-8-sig"), tmp_path) == whole


def test_columns_in_another_order_find_their_names(tmp_path: Path) -> None:
    turned = (HEADER.replace("label_T,label_A", "label_A,label_T"), LINES[0])
    labels = sims.read(write(tmp_path, *turned), tmp_path).clips[0].labels
    assert (labels["sentiment_A"], labels["sentiment_T"]) == (-1.0, 0.2)


@pytest.mark.parametrize(("encoding", "said"), [("gb18030", r"GB18030 \(GBK\)"), ("utf-16", "UTF-16")])
def test_another_encoding_is_named(tmp_path: Path, encoding: str, said: str) -> None:
    with pytest.raises(ManifestError, match=f"not UTF-8; it seems to be {said}"):
        sims.read(write(tmp_path, HEADER, *LINES, encoding=encoding), tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (LINES[1].replace("test", "val"), "line 2: mode is 'val'"),
        (LINES[1].replace(",1.0,1.0", ",1.8,1.0"), "line 2: .*1.8, 1.0, 0.8, 1.0, not between"),
        (LINES[1].replace(",1.0,1.0", ",,1.0"), "line 2: .*nothing, 1.0"),
        (LINES[1].replace(",0.8,", ",high,"), "line 2: .*high"),
        (LINES[1].replace("天安门", "天安门, 北京"), "line 2: 10 fields, not 9; quote texts that hold commas"),
        (LINES[1].replace("video_0001", "../../secret"), "line 2: .*below the media folder"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        sims.read(write(tmp_path, HEADER, line), tmp_path)


def test_an_absent_file_a_wrong_header_and_a_wrong_version_are_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"(?s)label.csv cannot be read.*Raw/<video_id>/<clip_id>.mp4"):
        sims.read(tmp_path / "label.csv", tmp_path)
    with pytest.raises(ManifestError, match=r"line 1: the header .* lacks label_T, mode"):
        sims.read(write(tmp_path, "video_id,clip_id,text,label,label_A,label_V", "a,1,b,0,0,0"), tmp_path)
    with pytest.raises(ParamsError, match="no `version: 3`; it may be v1, v2"):
        sims.read(tmp_path / "label.csv", tmp_path, version="3")


def test_parts_of_other_sizes_than_published_are_told(tmp_path: Path) -> None:
    told = [str(discrepancy) for discrepancy in sims.read(write(tmp_path, HEADER, *LINES[:2]), tmp_path).discrepancies]
    assert told == ["clips of the split `official` (valid): 0 of 1 (looked at label.csv)"]


@pytest.mark.parametrize(("train", "told"), [(3, 0), (2, 0), (1, 1)])
def test_both_sizes_of_the_second_versions_train_part_are_right(tmp_path: Path, train: int, told: int) -> None:
    lines = [f"aqgy3_0001,{number},好,0,0,0,0,Neutral,train" for number in range(train)]
    listing = sims.read(write(tmp_path, HEADER, *lines, "test1,8,好,0,0,0,0,Neutral,test"), tmp_path, version="v2")
    assert len(listing.discrepancies) == told


def test_the_second_versions_own_clips_have_five_digits(tmp_path: Path) -> None:
    lines = ("video_0001,1,a,0,0,0,0,Neutral,train", "aqgy3_0005,42,b,0,0,0,0,Neutral,train", "test12,00000,c,0,0,0,0,Neutral,test")
    listing = sims.read(write(tmp_path, HEADER, *lines, name="meta.csv"), tmp_path, version="v2")
    assert [clip.media for clip in listing.clips] == ["Raw/video_0001/0001.mp4", "Raw/aqgy3_0005/00042.mp4", "Raw/test12/00000.mp4"]


def test_lines_without_label_and_part_are_counted_and_no_clips(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    listing = sims.read(write(tmp_path, HEADER, *LINES, "aqgy1_0001,0,好,,,,,,"), tmp_path)
    assert (len(listing.clips), listing.discrepancies) == (3, ())
    assert "1 lines" in caplog.text
    assert "are no clips here" in caplog.text


def test_train_and_test_share_videos_which_the_ready_made_task_declares(tmp_path: Path) -> None:
    listing = sims.read(write(tmp_path, HEADER, *LINES), tmp_path)
    (fold,), manifest = listing.splits["official"], Manifest(listing.clips)
    check_ids(listing.splits, manifest)
    task = read_rows("sims", "sims")[0]["tasks"]["sims_sentiment"]
    check_disjoint(fold, manifest, task["disjoint"], "sims")
    with pytest.raises(SplitError, match="train-test share 1 group"):
        check_disjoint(fold, manifest, {"train-test": "group"}, "sims")


@pytest.mark.parametrize("name", ["sims", "simsv2", "mosei"])
def test_the_ready_made_rows_are_valid_and_name_each_other(tmp_path: Path, name: str) -> None:
    from ruamel.yaml import YAML

    from pipeline.clips.corpora import CorpusConfig
    from pipeline.embed.encoder import EncoderConfig
    from pipeline.extract.faces import FacesConfig
    from pipeline.extract.logmel_config import read_logmel_config
    from pipeline.extract.tokens import TokensConfig
    from pipeline.params import read_row

    rows, advice = read_rows(name, "mine")
    params = tmp_path / "params.yaml"
    with params.open("w") as file:
        YAML().dump(rows, file)
    assert "data/raw/mine" in advice
    read_row(params, "corpora", "mine", CorpusConfig, wiring=("labels", "media"))
    read_row(params, "faces", "mine", FacesConfig, wiring=("corpus", "media"))
    read_logmel_config(params, "mine")
    assert read_row(params, "tokens", "mine", TokensConfig).tokenizer.endswith(rows["encoders"]["mine_text"]["revision"])
    for row in rows["encoders"]:
        read_row(params, "encoders", row, EncoderConfig, wiring=("corpus", "features"))
    for row in rows["tasks"]:
        assert set(Task.read(params, row).config.encoders.values()) <= set(rows["encoders"])

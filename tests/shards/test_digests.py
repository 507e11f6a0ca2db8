"""Digests: hashed once, kept where the media is elsewhere, never guessed."""

import os
import stat
from pathlib import Path

import pytest

from pipeline.clips.manifest import Manifest
from pipeline.errors import ManifestError
from pipeline.shards.digests import add_digests
from tests.conftest import make_clip


def make_media(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(f"bytes of {name}".encode())
    return folder


def digest(folder: Path, *clips: str, earlier: tuple[Manifest, ...] = ()) -> tuple[Manifest, dict[str, int]]:
    return add_digests([make_clip(clip, digest=None) for clip in clips], folder / "media", folder / "cache.sqlite", earlier)


def test_each_file_is_hashed_once(tmp_path: Path) -> None:
    make_media(tmp_path / "media", "a.mp4", "b.mp4")
    first, counts = digest(tmp_path, "a", "b")
    assert counts == {"hashed": 2, "known": 0, "absent": 0}
    second, counts = digest(tmp_path, "a", "b")
    assert counts == {"hashed": 0, "known": 2, "absent": 0}
    assert first["a"] == second["a"]
    assert first["a"].digest != first["b"].digest


def test_a_changed_file_is_hashed_again(tmp_path: Path) -> None:
    make_media(tmp_path / "media", "a.mp4")
    first, _ = digest(tmp_path, "a")
    (tmp_path / "media" / "a.mp4").write_bytes(b"other bytes")
    second, counts = digest(tmp_path, "a")
    assert counts["hashed"] == 1
    assert first["a"].digest != second["a"].digest


def test_a_moved_clock_hashes_again_and_gives_the_same_digest(tmp_path: Path) -> None:
    make_media(tmp_path / "media", "a.mp4")
    first, _ = digest(tmp_path, "a")
    os.utime(tmp_path / "media" / "a.mp4", (1, 1))
    second, counts = digest(tmp_path, "a")
    assert counts["hashed"] == 1
    assert first["a"] == second["a"]


def test_absent_media_keep_the_digest_that_the_team_recorded(tmp_path: Path) -> None:
    make_media(tmp_path / "media", "a.mp4")
    manifest, counts = digest(tmp_path, "a", "b", earlier=(Manifest([make_clip("b", digest="known")]),))
    assert manifest["b"].digest == "known"
    assert counts["absent"] == 1


def test_absent_and_unknown_media_are_listed(tmp_path: Path) -> None:
    make_media(tmp_path / "media", "a.mp4")
    with pytest.raises(ManifestError, match=r"2 media files.*b\.mp4, c\.mp4"):
        digest(tmp_path, "a", "b", "c")


def test_a_dangling_link_is_told_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "media").symlink_to(tmp_path / "unplugged")
    with pytest.raises(ManifestError, match="unplugged, which is not there; link it"):
        digest(tmp_path, "a")


def test_a_folder_of_frames_has_one_digest(tmp_path: Path) -> None:
    make_media(tmp_path / "media", "a.mp4/image_0.jpg", "a.mp4/image_1.jpg")
    first, _ = digest(tmp_path, "a")
    (tmp_path / "media" / "a.mp4" / "image_1.jpg").write_bytes(b"repainted")
    assert digest(tmp_path, "a")[0]["a"].digest != first["a"].digest


def test_a_damaged_cache_is_begun_anew(tmp_path: Path) -> None:
    make_media(tmp_path / "media", "a.mp4")
    (tmp_path / "cache.sqlite").write_bytes(b"no database" * 100)
    assert digest(tmp_path, "a")[1]["hashed"] == 1


def test_a_stopped_run_hashes_nothing_twice(tmp_path: Path) -> None:
    make_media(tmp_path / "media", "a.mp4")
    os.mknod(tmp_path / "media" / "b.mp4", stat.S_IFSOCK)  # there, and not to be opened
    with pytest.raises(OSError, match="No such device"):
        digest(tmp_path, "a", "b")
    (tmp_path / "media" / "b.mp4").unlink()
    make_media(tmp_path / "media", "b.mp4")
    assert digest(tmp_path, "a", "b")[1] == {"hashed": 1, "known": 1, "absent": 0}


def test_renamed_frames_are_hashed_again(tmp_path: Path) -> None:
    folder = make_media(tmp_path / "media", "a.mp4/image_0.jpg", "a.mp4/image_1.jpg") / "a.mp4"
    first, _ = digest(tmp_path, "a")
    for old, new in (("image_0", "aside"), ("image_1", "image_0"), ("aside", "image_1")):
        (folder / f"{old}.jpg").rename(folder / f"{new}.jpg")
    assert digest(tmp_path, "a")[0]["a"].digest != first["a"].digest


def test_a_name_that_no_file_can_have_is_an_absent_file(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    with pytest.raises(ManifestError, match="1 media files"):
        add_digests([make_clip("a", media="x" * 300)], tmp_path / "media", tmp_path / "cache.sqlite", ())


def test_the_numbered_pictures_of_a_pattern_are_hashed_together(tmp_path: Path) -> None:
    make_media(tmp_path / "media", "a/image_L_0.jpg", "a/image_L_1.jpg", "a/image_R_0.jpg")
    clips = [make_clip(side, media=f"a/image_{side}_*.jpg", frame_rate=2.0, digest=None) for side in "LR"]

    def hashed() -> Manifest:
        return add_digests(clips, tmp_path / "media", tmp_path / "cache.sqlite", ())[0]

    first = hashed()
    (tmp_path / "media" / "a" / "image_L_1.jpg").write_bytes(b"another picture")
    second = hashed()
    assert first["L"].digest != second["L"].digest
    assert first["R"].digest == second["R"].digest


def test_an_incomplete_copy_leaves_out_the_clips_without_media(tmp_path: Path) -> None:
    make_media(tmp_path / "media", "a.mp4")
    clips = [make_clip(name, digest=None) for name in ("a", "b", "c")]
    earlier = (Manifest([make_clip("c", digest="known")]),)
    manifest, counts = add_digests(clips, tmp_path / "media", tmp_path / "cache.sqlite", earlier, partial=True)
    assert manifest.ids == ("a", "c")
    assert counts == {"hashed": 1, "known": 0, "absent": 2}

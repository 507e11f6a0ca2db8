"""Where a task's numbers come from."""

from pipeline.report.provenance import make_encoder_table, make_runs_table


def make_scores(encoder):
    """Return what the encoder table reads of scores."""
    return {"rows": {"linear": {"encoders": {"audio": {"row": "mosi_audio", "digest": "", "fit_share": None, "config": {}, **encoder}}}}}


def cells(encoder):
    """Return the texts of the table's only line."""
    (line,) = make_encoder_table(make_scores(encoder)).lines
    return [cell.text for cell in line.cells]


def make_origin(num_files=1, **replaced):
    """Return the origin.json of imported features, as a run keeps it."""
    files = [{"file": f"part_{i}.csd", "sha256": f"0123456789ab{i:052d}"} for i in range(num_files)]
    return {"config": {"origin": {"source": "imported", "files": files, "replaced": replaced}}}


def test_imported_features_are_named_by_their_file_and_its_digest():
    assert cells(make_origin()) == ["audio", "`mosi_audio`", "–", "imported: part_0.csd, 0123456789ab", "–", "–", "–"]


def test_of_many_files_the_first_are_named_and_what_was_replaced_is_said():
    found = cells(make_origin(5, audio=1200))[3]
    assert found.startswith("imported: part_0.csd, 0123456789ab; part_1.csd")
    assert found.endswith("part_2.csd, 0123456789ab and 2 more files; 1,200 numbers that were not finite are 0")


def test_features_that_a_model_read_itself_are_named_as_such():
    found = cells({"row": "faces/demo", "config": {"features": "faces", "version": 1, "config": {}, "shape": [3, 48, 48]}})
    assert found == ["audio", "`faces/demo`", "trained with the model", "faces 1, pictures of 3 × 48 × 48", "–", "–", "–"]


def test_imported_features_without_an_origin_are_said_to_have_none():
    assert cells({})[3] == "imported: origin unknown"


def test_a_run_says_how_many_clips_were_cut_short():
    run = {"fold": 0, "seed": 1, "num_train_clips": 1200, "truncated": {"text": 0, "audio": 31}, "best_epoch": 4, "fingerprint": "ab" * 10}
    scores = {"rows": {"mult": {"model": "mult", "num_parameters": 5, "runs": [run, {**run, "truncated": {}}]}}}
    assert [line.cells[4].text for line in make_runs_table(scores).lines] == ["audio 31", "–"]

"""Turn every clip's transcript into the token ids of a text model."""

from typing import Any

from stages import PARAMS, Address, ClipsFolder, EngineName, Limit, OutFolder, Params, Plan, Recompute, Row, run_stage


def main(
    row: Row,
    clips: ClipsFolder,
    out: OutFolder,
    params: Params = PARAMS,
    plan: Plan = False,
    limit: Limit = None,
    recompute: Recompute = False,
    engine: EngineName = "local",
    address: Address = None,
) -> dict[str, Any]:
    """Tokenize the transcript of every clip of a corpus.

    Ids include the special tokens; a text longer than `max_length` tokens is cut and marked. The row's parameters stand in `tokens` of
    params.yaml; its tokenizer is package:<name>, hub:<id>@<commit> or file:<path>. It must be the one of the text encoder that reads the
    ids: the shards say its digest.

    Example: python -m stages.tokenize_text demo data/clips/demo data/tokens/demo
    """
    from pipeline.clips.manifest import read_manifest
    from pipeline.extract.tokens import TokenExtractor, TokensConfig
    from pipeline.params import read_row, read_section
    from pipeline.shards.engine import Engine
    from pipeline.shards.executor import RunOptions, ShardSettings, run_sharded

    config = read_row(params, "tokens", row, TokensConfig)
    settings = read_section(params, "shards", ShardSettings)
    options = RunOptions(limit=limit, recompute=recompute, plan=plan, engine=Engine(engine, address))
    return run_sharded(read_manifest(clips), TokenExtractor(config), out, settings, options)


if __name__ == "__main__":
    run_stage(main)

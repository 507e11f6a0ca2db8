"""Render the built-in corpus: talking heads with a synthetic voice, labelled, split by speaker."""

from typing import Any

from stages import PARAMS, WORKERS, OutFolder, Params, Plan, Recompute, Workers, run_stage


def main(
    out: OutFolder, params: Params = PARAMS, workers: Workers = WORKERS, plan: Plan = False, recompute: Recompute = False
) -> dict[str, Any]:
    """Render the built-in corpus, which tests the pipeline without a download.

    Writes label.csv and Raw/<video_id>/<clip_id>.mp4. Clip i depends on the seed and i only, so raising `num_clips` adds clips and changes
    none. The parameters stand in the section `demo` of params.yaml.

    Example: python -m stages.make_demo data/raw/demo
    """
    from pipeline.demo.config import DemoConfig
    from pipeline.demo.corpus import make_corpus, plan_corpus
    from pipeline.params import read_section
    from pipeline.shards.previous import Previous, open_partial, publish

    config = read_section(params, "demo", DemoConfig)
    with Previous(out, recompute) as previous:
        if plan:
            return plan_corpus(config, previous.folders())
        with open_partial(out) as partial:
            summary = make_corpus(config, partial, previous.folders(), workers)
            publish(partial, out)
    return summary


if __name__ == "__main__":
    run_stage(main)

"""The hyper-parameter search: the same trials for every row of a task's zoo, judged on valid, beside `dvc repro`."""

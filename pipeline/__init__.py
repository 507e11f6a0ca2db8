"""Nouns, in the order the data flows: clips, shards, extract, embed, tasks, fusion, training, report."""

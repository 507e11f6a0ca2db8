"""A second synthetic corpus, of sequences and maps without media, on which the sources' claims are tested."""

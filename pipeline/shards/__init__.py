"""The cache: packed shards, fingerprints, earlier versions, and the one loop over clips."""

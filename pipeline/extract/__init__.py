"""From raw media to features, on the CPU: decoding, faces, log-mels, tokens."""

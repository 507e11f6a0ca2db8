"""Encoders as artifacts, and the embeddings that they make of features."""

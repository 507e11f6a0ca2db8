"""What is labelled: clips, manifests of them, splits, and one adapter for each corpus."""

"""Tasks: what is predicted from a corpus, how a prediction is judged, and the definitions of every metric."""

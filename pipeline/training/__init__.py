"""One trainer for the whole zoo, and what a finished run keeps."""

"""What goes wrong in practice, looked for before it does: each check says what it found and, where it is not well, the remedy."""

"""Scores of saved predictions, and the tables, plots and pages made of them."""

"""Tests of pipeline/embed."""

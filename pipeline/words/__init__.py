"""Finished tables in words: numbers, sentences and tables for a terminal, a page and the README."""

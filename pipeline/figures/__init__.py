"""Finished tables in pictures; nothing is computed here."""

"""Figures of finished tables."""

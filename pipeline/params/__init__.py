"""Every parameter of the laboratory: typed, strict and explained."""

"""Everything measured on a stack of members."""

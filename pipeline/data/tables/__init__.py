"""Tables: read as they are written, understood column by column, judged, and encoded as features and classes."""

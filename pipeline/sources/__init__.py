"""From the user's own file, scikit-learn or OpenML to a pool of rows."""

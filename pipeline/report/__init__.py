"""The page: one file that answers the question, with tables, figures, methods and limits."""

"""Where rows come from: the user's own file, scikit-learn, OpenML, or tasks whose posterior is known."""

"""The textbook's sentences: experiments, exact checks, verdicts, the estimators' audit."""

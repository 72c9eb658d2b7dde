"""One module a command: where files meet mathematics."""

"""The one exception a user is meant to see: something they can put right themselves."""


class InputError(ValueError):
    """A parameter, file, column or row that cannot be used.

    The message is one line that states the requirement and names the place (file, key path, column, row)
    and the value received. The command line prints it and exits with code 2.
    """

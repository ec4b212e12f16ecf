"""The one exception type for mistakes a user can mend."""


class UserError(ValueError):
    """Wrong input, told in one sentence; the command line prints it alone and exits with code 2."""

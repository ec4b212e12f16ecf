"""One sentence for each way in which a command line can be wrong for Hydra."""

import difflib

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    OmegaConfBaseException,
    ValidationError,
)

from lossatlas.errors import UserError

HYDRA_ERRORS = (HydraException, OmegaConfBaseException)


def word(error: BaseException) -> str:
    """What came, and what is legal."""
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        near = difflib.get_close_matches(name, error.options, n=3, cutoff=0.5)
        if near:
            return f"there is no {group} {name!r}; did you mean {' or '.join(near)}?"
        return f"there is no {group} {name!r}; legal: {', '.join(sorted(error.options))}"
    if isinstance(error, OverrideParseException) and "(" in error.override:
        return (
            f"{error.override!r} cannot be read; a value with parentheses has quotes of its own "
            "inside those of the shell: \"loss.terms='gce(q=0.5) + 2 * mae'\""
        )
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UserError):  # of our sweeper, in words of Hydra, which builds it
            return str(cause)
        if (
            isinstance(cause, ConfigKeyError | ConfigAttributeError)
            and cause.parent_node is not None
        ):
            where = str(cause.full_key).rpartition(".")[0] or "the configuration"
            if "name" in cause.parent_node:
                where += f" {cause.parent_node['name']}"
            legal = ", ".join(sorted({str(k) for k in cause.parent_node} - {"name", "hydra"}))
            return f"{where} has no key {str(cause.key)!r}; legal: {legal or 'none'}"
        if isinstance(cause, ValidationError):
            return f"{cause.full_key}: {str(cause).splitlines()[0]}"
        cause = cause.__cause__ or cause.__context__
    return ". ".join(line.strip() for line in str(error).splitlines() if line.strip())

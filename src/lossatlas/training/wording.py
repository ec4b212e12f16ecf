"""One sentence for each way in which a command line can be wrong for Hydra."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from lossatlas.errors import UserError, meant
from lossatlas.losses import registry
from lossatlas.names import short

HYDRA_ERRORS = (HydraException, OmegaConfBaseException)
MOST = 400  # characters of a sentence that is not ours
MADE_OF_SEVERAL = (
    "losses that are added up, wrapped or given values in one text are "
    f"loss={registry.SUM} \"loss.terms='flooding(gce, b=0.1)'\""
)


@contextmanager
def our_words(kinds: Any = HYDRA_ERRORS) -> Iterator[None]:
    """Make UserErrors of what Hydra raises: errors of its own, or of more `kinds`."""
    try:
        yield
    except UserError:
        raise
    except kinds as error:
        raise UserError(word(error)) from error


def word(error: BaseException) -> str:
    """What came, and what is legal; a sentence of ours, which may hold a path, is never cut."""
    told = _word(error)
    said = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(told))
    return said if len(said) <= MOST or isinstance(told, UserError) else f"{said[:MOST]}..."


def _word(error: BaseException) -> str | UserError:
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.partition("/")
        if group == "loss" and name in registry.index():  # it is there, and its file is broken
            return registry.code_fault(registry.index()[name]) or f"loss {name!r} is new; try again"
        if group == "loss" and re.search(r"[^\w.-]", name):
            return f"there is no loss {short(name)}; {MADE_OF_SEVERAL}"
        if hint := meant(name, error.options):
            return f"there is no {group} {name!r}; {hint}"
        return f"there is no {group} {short(name)}; legal: {', '.join(sorted(error.options))}"
    if isinstance(error, OverrideParseException):
        key, _, value = error.override.partition("=")
        if key == "loss" and "(" in value:
            return f"{short(error.override)} cannot be read; {MADE_OF_SEVERAL}"
        if "(" in error.override:
            kind, example = "parentheses", "loss.terms='gce(q=0.5) + 2 * mae'"
        else:
            kind, example = "special characters", f"{key}='{value}'"
        return (
            f"{short(error.override)} cannot be read; a value with {kind} has quotes of its own "
            f'inside those of the shell: "{example}"'
        )
    if several := re.search(r"(?:for argument|Sweep parameters) '(.*)'", str(error)):
        return f"{short(several[1])} has several values; only train -m makes a run of each"
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    for cause in causes:
        if isinstance(cause, UserError):  # of our sweeper or resolvers, in the words of their hosts
            return cause
    for cause in causes:
        if (
            isinstance(cause, ConfigKeyError | ConfigAttributeError)
            and cause.parent_node is not None
        ):
            where = str(cause.full_key).rpartition(".")[0] or "the configuration"
            if "name" in cause.parent_node:
                where += f" {cause.parent_node['name']}"
            legal = ", ".join(sorted({str(k) for k in cause.parent_node} - {"name", "hydra"}))
            return f"{where} has no key {str(cause.key)!r}; legal: {legal or 'none'}"
        if isinstance(cause, MissingMandatoryValue):
            return f"configuration: {cause.full_key} needs a value"
        if isinstance(cause, OmegaConfBaseException):
            said = (str(cause).splitlines() or [""])[0]
            return f"{cause.full_key or 'configuration'}: {said}"
    said = ". ".join(line.strip() for line in str(error).splitlines() if line.strip())
    return said or type(error).__name__

"""One file per group of properties; importing this package registers every check."""

from importlib import import_module
from pkgutil import iter_modules

for _group in iter_modules(__path__):
    import_module(f"{__name__}.{_group.name}")

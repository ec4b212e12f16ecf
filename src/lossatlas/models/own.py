"""A user's own network: `model.arch=package.module:function`.

The function takes no arguments and returns a module that maps images (N, 3, 32, 32) float32 to
features (N, D); what stands on them, a linear head or a projector, is the atlas's. D is found by
asking.
"""

import importlib
import importlib.util
import re
from pathlib import Path

import torch
from torch import Tensor, nn

from lossatlas.errors import UserError
from lossatlas.losses import source

FORM = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_own(arch: object) -> bool:
    """Is it spelt like a user's own network?"""
    return isinstance(arch, str) and ":" in arch


def digest(arch: str) -> str:
    """SHA-256, 16 digits, of the module's file and of the user's files that it imports.

    The module is not run, only the packages around it.

    Raises:
        UserError: the name is not legal, or no such module is found.
    """
    if not FORM.fullmatch(arch):
        raise UserError(f"model.arch must be like package.module:function, not {arch!r}")
    module = arch.partition(":")[0]
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    except (Exception, SystemExit) as error:
        raise _cannot(arch, "be imported", error) from error
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise UserError(
            f"model.arch {arch}: there is no module {module} that is a file; install its package, "
            "or name its folder in PYTHONPATH"
        )
    return source.digest_of(source.closure([Path(spec.origin)]))


def build(arch: str, images: Tensor) -> nn.Module:
    """The user's network, with its number of features as `feature_dim`.

    Args:
        arch: package.module:function.
        images: (N, 3, 32, 32) float32, two of which are shown to it, in eval mode.

    Raises:
        UserError: it cannot be imported or called, or is no network as above.
    """
    module, _, name = arch.partition(":")
    try:
        function = getattr(importlib.import_module(module), name, None)
    except (Exception, SystemExit) as error:
        raise _cannot(arch, "be imported", error) from error
    if not callable(function):
        raise UserError(f"model.arch {arch}: module {module} has no function {name}")
    try:
        net = function()
    except (Exception, SystemExit) as error:
        raise _cannot(arch, "be called without arguments", error) from error
    if not isinstance(net, nn.Module):
        raise UserError(f"model.arch {arch}: returns a {type(net).__name__}, not a torch.nn.Module")
    shown = images[:2]
    net.eval()
    try:
        with torch.no_grad():
            features = net(shown)
    except (Exception, SystemExit) as error:
        raise _cannot(arch, f"take images {tuple(shown.shape)}", error) from error
    net.train()
    is_features = isinstance(features, Tensor) and features.dtype == shown.dtype
    if not is_features or features.ndim != 2 or len(features) != len(shown) or not features.numel():
        found = type(features).__name__
        if isinstance(features, Tensor):
            found = f"{features.dtype} {tuple(features.shape)}".removeprefix("torch.")
        raise UserError(
            f"model.arch {arch}: gives {found} for images {tuple(shown.shape)}, and must give "
            f"features, {str(shown.dtype).removeprefix('torch.')} of shape (N, D)"
        )
    net.feature_dim = features.shape[1]
    return net


def _cannot(arch: str, what: str, error: BaseException) -> UserError:
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return UserError(f"model.arch {arch}: cannot {what}: {said[:300]}")

"""The output of the command line: log lines, and errors in one line each."""

import logging
import sys
import warnings

from absl import logging as absl_logging


def report(error: object, code: int) -> int:
    """Prints an error as one line on standard error, and returns the exit code."""
    print("error:", " ".join(str(error).split()), file=sys.stderr)
    return code


def set_up_logging(verbosity: int | None) -> None:
    """Shows the log lines of this package only, or those of all libraries.

    Args:
        verbosity: The level of absl for all libraries: -1 for warnings, 0 for
            information, 1 for debugging. None shows only the lines of this package.
    """
    logger = logging.getLogger("irsde_jax")
    logger.setLevel(logging.DEBUG if verbosity and verbosity > 0 else logging.INFO)
    logger.propagate = False
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers = [handler]
    if verbosity is None:
        absl_logging.set_verbosity(absl_logging.ERROR)
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
    else:
        absl_logging.set_verbosity(verbosity)

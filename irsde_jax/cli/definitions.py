"""Defines the flags of the table for absl, with checks of their values."""

import math

from absl import flags

from irsde_jax import configuration
from irsde_jax.cli.flag import Flag, Kind
from irsde_jax.cli.flags import DEFAULT_MODE, FLAGS, split_weights


def define_flags(values: flags.FlagValues) -> None:
    """Defines `--mode` and all flags of the table in `values`."""
    mode = Flag("mode", Kind.TEXT, (), help="The mode: what to do.", value="MODE")
    flags.DEFINE_flag(_AbslFlag(mode, DEFAULT_MODE), values)
    for flag in FLAGS:
        default = False if flag.kind is Kind.SWITCH else None
        flags.DEFINE_flag(_AbslFlag(flag, default), values)


class _AbslFlag(flags.Flag):
    """A flag of the table in the form that absl needs."""

    def __init__(self, flag: Flag, default: str | bool | None):
        self._flag = flag
        self._given = ""  # the last value in the user's spelling
        is_switch = flag.kind is Kind.SWITCH
        serializer: flags.ArgumentSerializer = flags.ArgumentSerializer()
        super().__init__(
            parser_of(flag),
            serializer,
            flag.name,
            default,
            flag.help,
            boolean=is_switch,
        )

    def parse(self, argument: str) -> None:
        """Parses a value of the flag.

        A second value is an error, except for paths, which are joined by commas.

        Raises:
            flags.IllegalFlagValueError: If the value is not valid, or is a second one.
        """
        first = self.value if self.present else None
        is_joined = self._flag.kind is Kind.PATHS and not self._flag.again
        if self.present and not is_joined:
            advice = self._flag.again or "leave one of them out"
            raise flags.IllegalFlagValueError(
                f"--{self.name} is given twice, as --{self.name}={self._given} and "
                f"--{self.name}={argument}, but takes one value; {advice}"
            )
        super().parse(argument)
        self._given = argument
        if first is not None:
            self.value = f"{first},{self.value}"


def parser_of(flag: Flag) -> flags.ArgumentParser:
    """Returns the parser for the values of a flag."""
    if flag.kind is Kind.SWITCH:
        return flags.BooleanParser()
    if flag.kind in (Kind.INTEGER, Kind.DECIMAL):
        return _NumberParser(flag)
    return _TextParser(flag)


class _NumberParser(flags.ArgumentParser):
    """A parser for numbers within the limits of the flag."""

    def __init__(self, flag: Flag):
        self._type = int if flag.kind is Kind.INTEGER else float
        self._low = -math.inf if flag.low is None else flag.low
        self._high = math.inf if flag.high is None else flag.high
        limits = [f"at least {flag.low}"] if flag.low is not None else []
        limits += [f"at most {flag.high}"] if flag.high is not None else []
        self._allowed = ", ".join([flag.kind.value, " and ".join(limits)]).strip(", ")

    def parse(self, argument: str) -> float:
        """Returns the number; raises ValueError if it is not valid."""
        try:
            number = self._type(argument)
        except ValueError:
            raise ValueError(f"the value must be {self._allowed}") from None
        if not (math.isfinite(number) and self._low <= number <= self._high):
            raise ValueError(f"the value must be {self._allowed}")
        return number


class _TextParser(flags.ArgumentParser):
    """A parser for text, and for paths in which ~ is the home folder."""

    def __init__(self, flag: Flag):
        self._flag = flag

    def parse(self, argument: str) -> str:
        """Returns the text, with home folders expanded if it is one or more paths."""
        if not argument and not self._flag.may_be_empty:
            raise ValueError("the value is empty; give one, or leave the flag out")
        if self._flag.kind is Kind.PATH:
            return configuration.expand_home(argument)
        if self._flag.kind is Kind.PATHS:
            parts = split_weights(argument)
            return ",".join(configuration.expand_home(part) for part in parts)
        return argument

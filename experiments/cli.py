"""The `fieldsolver` command: parses the command line and turns errors into one sentence and an exit code."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence

from fieldsolver.errors import FieldSolverError

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
NO_ROOM = {getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name)}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0: done; 1: a `FieldSolverError` or a full disk, printed as a sentence (``--debug`` shows where); 2: wrong usage;
    130: Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        return _dispatch(arguments)
    except SystemExit as stop:  # tyro's own, after help or a usage message
        return stop.code if isinstance(stop.code, int) else WRONG_USAGE if stop.code else 0
    except FieldSolverError as error:
        if debug:
            raise
        print(f"fieldsolver: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as stop:
        print(f"fieldsolver: interrupted; {str(stop) or 'files written so far are complete'}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `fieldsolver list | head`
        sys.stderr.close()
        return FAILED
    except OSError as error:
        if debug or error.errno not in NO_ROOM:
            raise
        print(
            f"fieldsolver: {error.strerror}; make room and repeat the command, a training run with --resume: files "
            "written so far are complete",
            file=sys.stderr,
        )
        return FAILED


def _dispatch(arguments: list[str]) -> int:
    import tyro

    from .commands import COMMANDS
    from .model_options import with_model_options

    arguments = with_model_options(arguments)
    code = tyro.extras.subcommand_cli_from_dict(
        COMMANDS,
        prog="fieldsolver",
        description="Declare a field equation once; solve it, train it, analyse it. Every command takes --debug.",
        args=arguments or ["--help"],
        config=(tyro.conf.PositionalRequiredArgs, tyro.conf.FlagCreatePairsOff),
    )
    return code or 0


if __name__ == "__main__":
    sys.exit(main())

"""Where the `camc` command begins: Ctrl-C ends it quietly, even while it is loading or exiting."""

from __future__ import annotations


def main() -> int:
    """Run the command line; returns the exit code."""
    try:
        import gc

        from cam_compiler.own_packages import prefer_own_packages

        prefer_own_packages()
        from cam_compiler.terminal.streams import open_streams

        open_streams()
        from cam_compiler.cli import main as run

        # Networks are many small objects that stay: looking for rubbish among them takes time and finds none.
        gc.set_threshold(10_000, 20)
        return run()
    except KeyboardInterrupt:
        from cam_compiler.interrupt import EXIT_CODE, say

        say()
        return EXIT_CODE
    finally:
        import signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    raise SystemExit(main())

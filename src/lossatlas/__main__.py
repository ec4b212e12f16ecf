"""The command's door, before anything that takes long is imported."""

from lossatlas import interrupt


def main() -> None:
    """Entry point: exit code 0 done, 1 a run failed, 2 wrong usage, 130 interrupted."""
    with interrupt.heard():
        from lossatlas import cli

        cli.main()


if __name__ == "__main__":
    main()

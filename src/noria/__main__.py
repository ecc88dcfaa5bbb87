"""`python -m noria`."""

from noria.cli import command

if __name__ == "__main__":
    command()

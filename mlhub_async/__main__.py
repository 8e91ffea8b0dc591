"""`python -m mlhub_async` is `mlhub-async`."""

from .cli import main

if __name__ == "__main__":
    main()

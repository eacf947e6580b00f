"""`python -m mmact_eval` is `mmact-eval`."""

from mmact_eval.cli import main

if __name__ == "__main__":
    main()

"""``python -m scorrnet_cli``."""

from scorrnet_cli.cli import main

main()

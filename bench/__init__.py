"""What ``make bench`` runs: ``python -m bench``."""

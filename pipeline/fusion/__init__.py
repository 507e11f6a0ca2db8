"""The zoo: one fusion model a file; see base.py for the contract."""

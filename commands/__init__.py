if __name__ == "commands":
    # From the repository's root a bare import would load every class here a second time, and differently.
    raise ImportError("import tocsin.commands, not commands")

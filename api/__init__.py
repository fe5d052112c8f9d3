if __name__ == "api":
    # From the repository's root a bare import would load every class here a second time, and differently.
    raise ImportError("import tocsin.api, not api")

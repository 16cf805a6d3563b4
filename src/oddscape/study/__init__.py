"""Several methods × several seeds under one protocol: from a TOML file to one table and one report."""

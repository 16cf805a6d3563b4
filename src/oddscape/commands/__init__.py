"""The commands, one file each; torch is imported inside them, so that ``--help`` answers at once."""

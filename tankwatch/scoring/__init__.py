"""The detector versions in use: how they are restored, what they are given, what they foresee."""

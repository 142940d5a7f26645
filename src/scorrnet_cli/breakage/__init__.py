"""Surfaces that come apart: which points belong together, where they are cut, and what lies beside the cut."""

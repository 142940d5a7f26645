"""How results are measured against truth."""

"""Networks: `nn.Module` only, no files."""

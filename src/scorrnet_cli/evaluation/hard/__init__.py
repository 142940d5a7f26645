"""The test bed of hard cases: what makes a measurement fail, rendered with exact truth."""

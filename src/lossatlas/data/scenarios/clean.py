"""The labels as published."""

"""Named theorems, one a file: the file, its function and what a card says have one name."""

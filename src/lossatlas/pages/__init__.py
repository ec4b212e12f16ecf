"""What every page of ours is made with: escaping, formulas, tables, templates, publishing."""

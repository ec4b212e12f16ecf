"""From a configuration to a row: Hydra, Lightning, and what they need to know about losses."""

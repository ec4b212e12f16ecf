"""From rows to numbers: arms, statistics, choice of rates. No drawing, no words, no network."""

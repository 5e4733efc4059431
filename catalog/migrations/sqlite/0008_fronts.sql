-- Fronts share the nodes: what each has promised of a node, and how much of it no other may promise.

ALTER TABLE fronts ADD COLUMN nodes TEXT NOT NULL DEFAULT '{}';      -- JSON: node to bits a second promised and held
-- Of the units that its viewers asked for lately, how many came late: those who work in the background go slower then.
ALTER TABLE fronts ADD COLUMN late_percent INTEGER NOT NULL DEFAULT 0;

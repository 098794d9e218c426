-- Half of a character, which JSON can name, breaks every filter that meets it: U+FFFD stands there
-- instead, as it does now in what comes in.
UPDATE runs SET config = cleaned(config) WHERE instr(lower(config), '\ud');
UPDATE runs SET summary = cleaned(summary) WHERE instr(lower(summary), '\ud');
UPDATE runs SET system_metrics = cleaned(system_metrics) WHERE instr(lower(system_metrics), '\ud');
UPDATE runs SET history_keys = cleaned(history_keys) WHERE instr(lower(history_keys), '\ud');
UPDATE artifacts SET metadata = cleaned(metadata) WHERE instr(lower(metadata), '\ud');

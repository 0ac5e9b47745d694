-- This fragment builds what a script returns: {"ok", events, values...} for a transition
-- that was made, {code, events, values...} for a refusal. Go reads it as a store.Reply.
-- The events are the types of all events that the script recorded, joined by spaces.
local recorded = {}

-- ok returns the reply for a transition that was made.
local function ok(...)
  return { 'ok', table.concat(recorded, ' '), ... }
end

-- refuse returns the reply for a refusal. Every refusal uses it, and the code is always a
-- literal: a test collects the codes of each script and looks them up in package refusal
-- and in openapi.yaml.
local function refuse(code, ...)
  return { code, table.concat(recorded, ' '), ... }
end

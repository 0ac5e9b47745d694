-- This fragment builds the reply of a script: {"ok", events, values...} for a transition
-- that succeeded, or {code, events, values...} for a refusal. In Go, it is a store.Reply. The
-- events are the types of all events that the script recorded, joined by spaces.
local recorded = {} --@state

-- ok returns the reply for a transition that succeeded.
local function ok(...)
  return { 'ok', table.concat(recorded, ' '), ... }
end

-- refuse returns the reply for a refusal. Every refusal passes a literal code, so that a
-- test can collect the codes of each script. The test looks them up in package refusal
-- and in openapi.yaml.
local function refuse(code, ...)
  return { code, table.concat(recorded, ' '), ... }
end

-- raise_schema raises the schema of the data, and the least schema that a program must know to read it.
-- KEYS[1]  the values that never change while the data exists
-- ARGV[1]  the schema
-- Returns {"ok", ""}
-- Guarantees that both are raised together, and that neither is lowered.
--@include store/reply
local schema = tonumber(ARGV[1])

-- raised returns the stored value of a field if it is higher than the schema, and the schema otherwise.
local function raised(field)
  local stored = redis.call('HGET', KEYS[1], field)
  return (tonumber(stored or 0) or 0) > schema and stored or ARGV[1]
end

redis.call('HSET', KEYS[1], 'schema', raised('schema'), 'reader', raised('reader'))
return ok()

-- record_retention records the retention of a gateway.
-- KEYS[1]  the record of the store
-- ARGV[1]  the retention, in ms
-- Returns {"ok", "", retention recorded before (empty if none), ms since the retention changed}
-- Guarantees that the time starts again whenever another retention is recorded, so that it stays
-- short while instances have different ones.
--@include store/base
--@include store/reply
local meta_key, retention = KEYS[1], ARGV[1]
local now = clock()

local before, since = read_fields(meta_key, 'retention', 'retention_since')
if before ~= retention or not since then
  redis.call('HSET', meta_key, 'retention', retention, 'retention_since', ms(now))
  since = now
end
return ok(before or '', now - tonumber(since))

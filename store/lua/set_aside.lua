-- set_aside moves a due member to the quarantine, because the member cannot be settled.
-- KEYS[1]  the partition's due index
-- KEYS[2]  the partition's quarantine
-- ARGV[1]  the member
-- Returns {"ok", ""}
-- Guarantees that the member is added to the quarantine only once, even if several sweepers
-- move it.
--@include store/reply
local due_key, quarantine_key = KEYS[1], KEYS[2]
local member = ARGV[1]

if redis.call('ZREM', due_key, member) == 1 then
  redis.call('RPUSH', quarantine_key, member)
end
return ok()

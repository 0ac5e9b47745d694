-- set_aside moves a due member that cannot be settled into the quarantine.
-- KEYS  1 the partition's due index, 2 the partition's quarantine
-- ARGV  1 the member
-- Returns {"ok", ""}
-- Guarantees that the quarantine holds the member once, however many sweepers set it aside.
--@include store/reply
local due_key, quarantine_key = KEYS[1], KEYS[2]
local member = ARGV[1]

if redis.call('ZREM', due_key, member) == 1 then
  redis.call('RPUSH', quarantine_key, member)
end
return ok()

-- restore moves an entry of a quarantine back to the due index, due at once.
-- KEYS[1]  the partition's due index
-- KEYS[2]  the partition's quarantine
-- ARGV[1]  the entry, which is a due member
-- ARGV[2]  "1" for a dry run, which changes nothing
-- Returns {"ok", "", "restored", or why the entry stays: "missing" or "scheduled"}
-- Guarantees that an entry is restored once, and that the time of a member that is in the due
-- index stays.
--@include store/base
--@include store/due
--@include store/entry
--@include store/reply
local due_key, quarantine_key = KEYS[1], KEYS[2]
local member, dry_run = ARGV[1], ARGV[2] == '1'

local why = obstacle(due_key, quarantine_key, member)
if why then
  return ok(why)
end
if not dry_run then
  take_entry(quarantine_key, member)
  redis.call('ZADD', due_key, ms(clock()), member)
end
return ok('restored')

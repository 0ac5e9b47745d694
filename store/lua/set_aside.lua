-- Moves a due member that cannot be settled into the quarantine.
-- KEYS  1 the partition's due index, 2 its quarantine
-- ARGV  1 the member
-- Returns {"ok"}
-- Guarantees that it stands there once, however many sweepers come to it.
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then
  redis.call('RPUSH', KEYS[2], ARGV[1])
end
return { 'ok' }

-- What was answered to a request that carried an Idempotency-Key.
--   key          the key of the memory, or nil where the request carried none
--   fingerprint  of the request: another one under the same key is refused
-- recall answers nil for a new request, 'reused' for another request under the
-- same key, else what remember was given.
local function recall(key, fingerprint)
  local kept = key and redis.call('GET', key)
  if not kept then
    return nil
  end
  if string.sub(kept, 1, #fingerprint) ~= fingerprint then
    return 'reused'
  end
  return string.sub(kept, #fingerprint + 1)
end

local function remember(key, fingerprint, answer, ttl)
  if key then
    redis.call('SET', key, fingerprint .. answer, 'PX', ms(ttl))
  end
end

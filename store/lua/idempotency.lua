-- This fragment stores the replies to requests that have an Idempotency-Key.
--   key          the Redis key of the stored reply; nil for a request without an Idempotency-Key
--   fingerprint  the digest of the request, and of its user
--   earlier      the digest that earlier releases computed, without the user; may be nil
--@include store/base
--@include store/reply

-- stored_reply returns the reply that remember stored for the same request. It returns nil if
-- no reply is stored. If the reply belongs to a different request, the second value is true.
local function stored_reply(key, fingerprint, earlier)
  local stored = key and redis.call('GET', key)
  if not stored then
    return nil
  end
  local first = string.sub(stored, 1, #fingerprint)
  if first ~= fingerprint and first ~= earlier then
    return nil, true
  end
  return string.sub(stored, #fingerprint + 1)
end

-- recall returns the reply that remember stored for the same request. It returns nil if
-- no reply is stored. If the reply belongs to a different request, the second value is
-- the refusal.
local function recall(key, fingerprint, earlier)
  local reply, reused = stored_reply(key, fingerprint, earlier)
  if reused then
    return nil, refuse('idempotency_key_reused')
  end
  return reply
end

-- remember stores the reply to a request, a table, under key as JSON for ttl milliseconds.
local function remember(key, fingerprint, answer, ttl)
  if key then
    redis.call('SET', key, fingerprint .. cjson.encode(answer), 'PX', ms(ttl))
  end
end

-- This fragment keeps the passkeys of a tenant's users in one hash. The field "<id>" has the record of a
-- passkey: JSON with its user, name, key, time and MAC. The field "<id>:used" has the signature counter
-- and the time of the last use. The field "<user>" has a JSON list of the ids of the user's passkeys.
-- Ids are base64url, and users are actors, so that no two fields are the same.
--@include store/base

-- passkeys_of returns the ids of a user's passkeys.
local function passkeys_of(passkeys_key, user)
  local list = redis.call('HGET', passkeys_key, user)
  return list and cjson.decode(list) or {}
end

-- set_passkeys_of replaces the ids of a user's passkeys.
local function set_passkeys_of(passkeys_key, user, ids)
  if #ids == 0 then
    redis.call('HDEL', passkeys_key, user)
  else
    redis.call('HSET', passkeys_key, user, cjson.encode(ids))
  end
end

-- use_passkey records the use of a passkey, and returns true. It returns false if the passkey is not the
-- one that the gateway has read, or if its signature counter has not grown: a copy of it may have signed.
-- Authenticators without a counter have 0.
local function use_passkey(passkeys_key, id, record, counter, now)
  local current, used = read_fields(passkeys_key, id, id .. ':used')
  local last = tonumber(string.match(used or '', '^%d+') or 0)
  if current ~= record or last > 0 and counter <= last then
    return false
  end
  redis.call('HSET', passkeys_key, id .. ':used', ms(counter) .. ' ' .. ms(now))
  return true
end

-- cut_off cuts a user or a session of the issuer off: tokens that were issued before are refused.
-- KEYS[1]  the tenant's cut-offs
-- KEYS[2]  the details of the tenant's cut-offs
-- KEYS[3]  the partition's index of tenants with cut-offs
-- KEYS[4]  the tenant's event stream
-- ARGV[1]  tenant
-- ARGV[2]  actor
-- ARGV[3]  request id
-- ARGV[4]  id of the user
-- ARGV[5]  id of the user's session at the issuer; empty for all of them
-- ARGV[6]  reason
-- ARGV[7]  time for which a cut-off is kept, in ms
-- ARGV[8]  maximum number of cut-offs of the tenant
-- ARGV[9]  name of the actor; may be empty
-- ARGV[10] e-mail address of the actor; may be empty
-- Returns {"ok", events, time of the cut-off in Unix ms}
-- Refuses with quota_exceeded, the quota and its limit
-- Guarantees that a cut-off is never removed before its time to make room for another one, and that
-- the score of the tenant in the index changes, so that each instance finds out even if the wake-up
-- is lost. A repeated cut-off also ends the tokens that were issued since the last one. A caller that
-- keeps cut-offs for a shorter time removes none that another one keeps for longer.
--@include store/base
--@include store/event
--@include store/reply
--@include store/wake
--@include cut_offs
local cut_offs_key, details_key, index_key, stream_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local tenant, actor, request, user, session, reason = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local keep, limit = tonumber(ARGV[7]), tonumber(ARGV[8])
local name, email = ARGV[9], ARGV[10]
local subject, now = cut_off_subject('user:' .. user, session), clock()

-- LONGEST is a time for which no token is valid. Tenants stay in the index for so long, because it
-- does not contain how long their cut-offs are kept.
local LONGEST = 366 * 24 * 60 * 60 * 1000

-- expiry returns the time until which a cut-off is kept, or 0 if its details cannot be read.
local function expiry(member)
  local readable, detail = pcall(cjson.decode, redis.call('HGET', details_key, member) or '{}')
  return readable and type(detail) == 'table' and tonumber(detail.expires) or 0
end

local expired = {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', cut_offs_key, '-inf', '(' .. ms(now - keep))) do
  if expiry(member) < now then
    expired[#expired + 1] = member
  end
end
local known = redis.call('ZSCORE', cut_offs_key, subject)
if not known and redis.call('ZCARD', cut_offs_key) - #expired >= limit then
  return refuse('quota_exceeded', 'cutOffs', ms(limit))
end

for _, member in ipairs(expired) do
  redis.call('ZREM', cut_offs_key, member)
  redis.call('HDEL', details_key, member)
end
local at = math.max(now, tonumber(known or 0))
redis.call('ZADD', cut_offs_key, ms(at), subject)
local detail = { by = actor, name = name, email = email, reason = reason, expires = math.max(now + keep, expiry(subject)) }
redis.call('HSET', details_key, subject, cjson.encode(detail))
local version = math.max(now, tonumber(redis.call('ZSCORE', index_key, tenant) or 0) + 1)
redis.call('ZREMRANGEBYSCORE', index_key, '-inf', '(' .. ms(now - math.max(keep, LONGEST)))
redis.call('ZADD', index_key, ms(version), tenant)
for _, kept_key in ipairs({ cut_offs_key, details_key, index_key }) do
  if redis.call('PTTL', kept_key) < keep then
    redis.call('PEXPIRE', kept_key, ms(keep))
  end
end

-- The event lacks the reason: every user of the tenant may read it.
local data = { userId = user, authSessionId = session ~= '' and session or nil }
emit_tenant(stream_key, now, 'user.cut_off', {
  tenant = tenant, actor = actor, name = name, email = email, request = request, data = data,
})
wake('cut-off', '-', tenant, '-')
return ok(ms(at))

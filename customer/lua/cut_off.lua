-- cut_off cuts a user or a session of the issuer off: tokens that were issued before are refused.
-- KEYS[1]  the tenant's cut-offs
-- KEYS[2]  the details of the tenant's cut-offs
-- KEYS[3]  the partition's index of tenants with cut-offs
-- KEYS[4]  the tenant's event stream
-- ARGV[1]  tenant
-- ARGV[2]  actor
-- ARGV[3]  request id
-- ARGV[4]  "user" or "session"
-- ARGV[5]  id of the user or the session
-- ARGV[6]  reason
-- ARGV[7]  time for which a cut-off is kept, in ms
-- ARGV[8]  maximum number of cut-offs of the tenant
-- Returns {"ok", events, time of the cut-off in Unix ms}
-- Refuses with quota_exceeded, the quota and its limit
-- Guarantees that a cut-off is never removed before its time to make room for another one, and that
-- the score of the tenant in the index changes, so that each instance finds out even if the wake-up
-- is lost. A repeated cut-off also ends the tokens that were issued since the last one.
--@include store/base
--@include store/event
--@include store/reply
--@include store/wake
local cut_offs_key, details_key, index_key, stream_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local tenant, actor, request, kind, id, reason = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local keep, limit = tonumber(ARGV[7]), tonumber(ARGV[8])
local subject, now = kind .. ':' .. id, clock()

local expired = redis.call('ZRANGEBYSCORE', cut_offs_key, '-inf', '(' .. ms(now - keep))
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
redis.call('HSET', details_key, subject, cjson.encode({ by = actor, reason = reason }))
local version = math.max(now, tonumber(redis.call('ZSCORE', index_key, tenant) or 0) + 1)
redis.call('ZREMRANGEBYSCORE', index_key, '-inf', '(' .. ms(now - keep))
redis.call('ZADD', index_key, ms(version), tenant)
for _, kept_key in ipairs({ cut_offs_key, details_key, index_key }) do
  redis.call('PEXPIRE', kept_key, ms(keep))
end

local data = { [kind == 'user' and 'userId' or 'authSessionId'] = id, reason = reason ~= '' and reason or nil }
emit_tenant(stream_key, now, 'user.cut_off', { tenant = tenant, actor = actor, request = request, data = data })
wake('cut-off', '-', tenant, '-')
return ok(ms(at))

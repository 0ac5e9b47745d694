-- save_policy saves a new version of a tenant's policy, which applies at once or waits for approval.
-- KEYS[1]      the tenant's policy
-- KEYS[2]      the versions of the tenant's policy
-- KEYS[3]      the tenant's cut-offs
-- KEYS[4]      the tenant's event stream
-- ARGV[1..5]   tenant, actor, name and e-mail address of the actor, request id
-- ARGV[6]      id of the user's session at the token issuer; may be empty
-- ARGV[7]      earliest time of a cut-off that refuses the user's token, in Unix ms
-- ARGV[8]      version that the new one replaces; "0" if the tenant has none
-- ARGV[9]      number of the new version
-- ARGV[10]     document
-- ARGV[11]     MAC of the version, which covers whether the change waits
-- ARGV[12]     "1" if the change waits for approval
-- ARGV[13]     JSON with the names of the rules that loosen the policy
-- ARGV[14]     number of versions that are kept
-- Returns {"ok", events}
-- Refuses with user_cut_off and the reason for the log; with policy_conflict if another version applies
--       than the one that the caller has read; or with stale if the number was used meanwhile
-- Guarantees that no version replaces one that its author has not seen, and that each number is used once.
--@creates
--@include store/base
--@include store/reply
--@include customer/cut_offs
--@include policy
local policy_key, versions_key, cut_offs_key, stream_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local author = {
  tenant = ARGV[1], actor = ARGV[2], name = ARGV[3], email = ARGV[4], request = ARGV[5],
}
local auth_session, earliest_cut_off = ARGV[6], tonumber(ARGV[7])
local base, number, document, mac = ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local waits, looser, kept = ARGV[12] == '1', ARGV[13], tonumber(ARGV[14])
local now = clock()

if is_cut_off(cut_offs_key, author.actor, auth_session, earliest_cut_off) then
  return refuse('user_cut_off', 'cut_off')
end
local version, last = read_fields(policy_key, 'version', 'last')
if (version or '0') ~= base then
  return refuse('policy_conflict')
end
if number ~= ms(tonumber(last or 0) + 1) then
  return refuse('stale')
end

local record = { number = number, base = base, document = document, mac = mac, by = author.actor, at = ms(now), looser = looser }
redis.call('HSET', policy_key, 'last', number)
local oldest = ms(tonumber(number) - kept)
if oldest ~= version then
  redis.call('HDEL', versions_key, oldest)
end
if waits then
  redis.call('HSET', policy_key, 'pending', cjson.encode(record))
  policy_event(stream_key, author, now, record, 'waiting')
else
  apply_version(policy_key, versions_key, stream_key, author, now, record)
end
return ok()

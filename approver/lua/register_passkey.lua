-- register_passkey keeps a new passkey of a user.
-- KEYS[1]      the tenant's passkeys
-- KEYS[2]      the tenant's cut-offs
-- KEYS[3]      the tenant's event stream
-- ARGV[1..5]   tenant, actor, name and e-mail address of the actor, request id
-- ARGV[6]      id of the user's session at the token issuer; may be empty
-- ARGV[7]      earliest time of a cut-off that refuses the user's token, in Unix ms
-- ARGV[8]      id of the passkey
-- ARGV[9]      record of the passkey
-- ARGV[10]     signature counter
-- ARGV[11]     maximum number of passkeys of a user
-- ARGV[12]     maximum number of fields of the tenant's passkeys, of which a passkey takes up to three
-- Returns {"ok", events}
-- Refuses with user_cut_off and the reason for the log; with stale if a passkey has this id; or with
--       quota_exceeded, the name of the quota and its limit, which is that of the user or of the tenant
-- Guarantees that no passkey belongs to two users.
--@creates
--@include store/base
--@include store/reply
--@include customer/cut_offs
--@include passkey_event
--@include passkeys
local passkeys_key, cut_offs_key, stream_key = KEYS[1], KEYS[2], KEYS[3]
local user = {
  tenant = ARGV[1], actor = ARGV[2], name = ARGV[3], email = ARGV[4], request = ARGV[5],
}
local auth_session, earliest_cut_off = ARGV[6], tonumber(ARGV[7])
local id, record, counter = ARGV[8], ARGV[9], tonumber(ARGV[10])
local most, most_fields = tonumber(ARGV[11]), tonumber(ARGV[12])
local now = clock()

if is_cut_off(cut_offs_key, user.actor, auth_session, earliest_cut_off) then
  return refuse('user_cut_off', 'cut_off')
end
if redis.call('HEXISTS', passkeys_key, id) == 1 then
  return refuse('stale')
end
local ids = passkeys_of(passkeys_key, user.actor)
if #ids >= most then
  return refuse('quota_exceeded', 'passkeys', most)
end
if redis.call('HLEN', passkeys_key) >= most_fields then
  return refuse('quota_exceeded', 'passkeys', most_fields / 3)
end

ids[#ids + 1] = id
set_passkeys_of(passkeys_key, user.actor, ids)
redis.call('HSET', passkeys_key, id, record, id .. ':used', ms(counter))
passkey_event(stream_key, now, 'passkey.registered', user, id)
return ok()

-- delete_passkey deletes passkeys of a user.
-- KEYS[1]      the tenant's passkeys
-- KEYS[2]      the tenant's event stream
-- ARGV[1..5]   tenant, actor, name and e-mail address of the actor, request id
-- ARGV[6]      user whose passkeys are deleted
-- ARGV[7]      id of the passkey; empty for all of the user
-- Returns {"ok", events, number of deleted passkeys}
-- Refuses with passkey_not_found if the user has no passkey with this id
--@include store/base
--@include store/reply
--@include passkey_event
--@include passkeys
local passkeys_key, stream_key = KEYS[1], KEYS[2]
local author = {
  tenant = ARGV[1], actor = ARGV[2], name = ARGV[3], email = ARGV[4], request = ARGV[5],
}
local user, id = ARGV[6], ARGV[7]
local now = clock()

local kept, deleted = {}, {}
for _, other in ipairs(passkeys_of(passkeys_key, user)) do
  local list = (id == '' or other == id) and deleted or kept
  list[#list + 1] = other
end
if #deleted == 0 and id ~= '' then
  return refuse('passkey_not_found')
end

set_passkeys_of(passkeys_key, user, kept)
for _, other in ipairs(deleted) do
  redis.call('HDEL', passkeys_key, other, other .. ':used')
  passkey_event(stream_key, now, 'passkey.deleted', author, other)
end
return ok(#deleted)

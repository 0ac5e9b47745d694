-- check verifies a login token, renews its login and counts the request. It runs for a request
-- of a device whose transition does not check the login itself.
-- KEYS[1]     the device's record
-- KEYS[2]     the login's record
-- KEYS[3]     the device's rate limit
-- ARGV[1..7]  the arguments of the check, as store.LoginCheck.Args returns them
-- Returns {"ok", "", tenant, expiry of the login}
-- Refuses with unauthorized and the reason for the log, or with rate_limited and the ms to wait
-- Guarantees that a login is valid only while its device is active, the epoch is unchanged, and
-- neither its idle time nor its maximum lifetime has passed. The number of writes is bounded,
-- however often a device sends requests.
--@include store/base
--@include store/reply
--@include login_check
local record_key = KEYS[1]

local refused, tenant, expires = check_login(record_key, nil, clock(), 2, 1)
if refused then
  return refused
end
return ok(tenant, expires)

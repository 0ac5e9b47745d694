-- correct_tenant corrects what is counted for the quotas of a tenant.
-- KEYS[1]    the tenant's usage record
-- ARGV[1..]  for each quota: its name and the number to add; negative to subtract
-- Returns {"ok", ""}
-- Guarantees that what other scripts count meanwhile stays counted.
--@include store/reply
--@include store/usage
local tenant = { usage = KEYS[1] }

for i = 1, #ARGV, 2 do
  count(tenant, ARGV[i], tonumber(ARGV[i + 1]))
end
return ok()

-- correct_tenant corrects what is counted for the quotas of a tenant.
-- KEYS[1]    the tenant's usage record
-- ARGV[1]    number of corrections before the devices were added up
-- ARGV[2..]  for each quota: its name and the number to add; negative to subtract
-- Returns {"ok", ""}
-- Guarantees that what other scripts count meanwhile stays counted, and that nothing changes if
-- the tenant was corrected meanwhile.
--@include store/reply
--@include store/usage
local tenant = { usage = KEYS[1] }

if first_correction(tenant.usage, ARGV[1]) then
  for i = 2, #ARGV, 2 do
    count(tenant, ARGV[i], tonumber(ARGV[i + 1]))
  end
end
return ok()

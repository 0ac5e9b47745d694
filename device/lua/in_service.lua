-- in_service returns the status of a device that a user wants to change. The second value
-- is the refusal for a device that is not the tenant's, or was decommissioned.
--@include store/base
--@include store/reply
local function in_service(device)
  local tenant, status = read_fields(device.record, 'tenant', 'status')
  if tenant ~= device.tenant then
    return nil, refuse('device_not_found')
  elseif status == 'decommissioned' then
    return nil, refuse('device_decommissioned')
  end
  return status
end

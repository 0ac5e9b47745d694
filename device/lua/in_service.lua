-- in_service returns the status of the device before a change that a user requested. If the
-- device is decommissioned or belongs to another tenant, it returns nil and the refusal.
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

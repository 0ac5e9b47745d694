import createClient from 'openapi-fetch';
import { metadata } from '../metadata';
import type { components, paths } from './generated/contract';

// call provisions a device, registers it, and returns it.
export async function call(baseUrl: string, token: string): Promise<components['schemas']['Device']> {
  const gateway = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
  const provisioned = await gateway.POST('/api/v1/customer/devices', { body: { name: 'openapi-fetch' } });
  if (provisioned.error) throw new Error(provisioned.error.code);
  const { device, activationCode } = provisioned.data;
  const registered = await gateway.POST('/api/v1/device/register', { body: { activationCode, metadata } });
  if (registered.error) throw new Error(registered.error.code);
  const read = await gateway.GET('/api/v1/customer/devices/{deviceId}', { params: { path: { deviceId: device.id } } });
  if (read.error) throw new Error(read.error.code);
  return read.data;
}

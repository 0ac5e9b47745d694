import { metadata } from '../metadata';
import { type Device, getDevice, provisionDevice, registerDevice } from './generated';
import { createClient } from './generated/client';

// call provisions a device, registers it, and returns it.
export async function call(baseUrl: string, auth: string): Promise<Device> {
  const client = createClient({ baseUrl, auth });
  const options = { client, throwOnError: true } as const;
  const { device, activationCode } = (await provisionDevice({ ...options, body: { name: 'hey-api' } })).data;
  await registerDevice({ ...options, body: { activationCode, metadata } });
  return (await getDevice({ ...options, path: { deviceId: device.id } })).data;
}

import { metadata } from '../metadata';
import { type Device, getDevice, provisionDevice, registerDevice } from './generated';

// call provisions a device, registers it, and returns it.
export async function call(baseURL: string, token: string): Promise<Device> {
  const config = { baseURL, headers: { Authorization: `Bearer ${token}` } };
  const { device, activationCode } = await provisionDevice({ name: 'kubb' }, {}, config);
  await registerDevice({ activationCode, metadata }, {}, { baseURL });
  return getDevice(device.id, config);
}

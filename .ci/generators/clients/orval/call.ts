import { metadata } from '../metadata';
import { type Device, getDevice, provisionDevice, registerDevice } from './generated/api';

// call provisions a device, registers it, and returns it.
export async function call(baseURL: string, token: string): Promise<Device> {
  const options = { baseURL, headers: { Authorization: `Bearer ${token}` } };
  const { device, activationCode } = (await provisionDevice({ name: 'orval' }, options)).data;
  await registerDevice({ activationCode, metadata }, { baseURL });
  return (await getDevice(device.id, options)).data;
}

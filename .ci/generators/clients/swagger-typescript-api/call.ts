import { metadata } from '../metadata';
import { Api, type Device } from './generated/api';

// call provisions a device, registers it, and returns it.
export async function call(baseUrl: string, token: string): Promise<Device> {
  const { api } = new Api({ baseUrl, baseApiParams: { headers: { Authorization: `Bearer ${token}` } } });
  const { device, activationCode } = (await api.provisionDevice({ name: 'swagger-typescript-api' })).data;
  await api.registerDevice({ activationCode, metadata });
  return (await api.getDevice(device.id)).data;
}

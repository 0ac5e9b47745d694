import { metadata } from '../metadata';
import { createApiClient, schemas } from './generated/api';

// call provisions a device, registers it, and returns it.
export async function call(baseUrl: string, token: string) {
  const gateway = createApiClient(baseUrl, { axiosConfig: { headers: { Authorization: `Bearer ${token}` } } });
  const { device, activationCode } = await gateway.provisionDevice({ name: 'openapi-zod-client' });
  await gateway.registerDevice({ activationCode, metadata });
  return schemas.Device.parse(await gateway.getDevice({ params: { deviceId: device.id } }));
}

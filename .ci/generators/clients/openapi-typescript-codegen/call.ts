import { metadata } from '../metadata';
import { type Device, DeviceIdentityService, DevicesService, OpenAPI } from './generated';

// call provisions a device, registers it, and returns it.
export async function call(BASE: string, TOKEN: string): Promise<Device> {
  Object.assign(OpenAPI, { BASE, TOKEN });
  const { device, activationCode } = await DevicesService.provisionDevice({ name: 'openapi-typescript-codegen' });
  await DeviceIdentityService.registerDevice({ activationCode, metadata });
  return DevicesService.getDevice(device.id);
}

import { configureStore } from '@reduxjs/toolkit';
import { metadata } from '../metadata';
import { address, base } from './base';
import { type Device, fieldgate } from './generated/api';

// call provisions a device, registers it, and returns it.
export async function call(baseUrl: string, token: string): Promise<Device> {
  Object.assign(address, { baseUrl, token });
  const store = configureStore({
    reducer: { [base.reducerPath]: base.reducer },
    middleware: (defaults) => defaults().concat(base.middleware),
  });
  const { provisionDevice, registerDevice, getDevice } = fieldgate.endpoints;
  const { device, activationCode } = await store
    .dispatch(provisionDevice.initiate({ provisionDeviceRequest: { name: 'rtk-query' } }))
    .unwrap();
  await store.dispatch(registerDevice.initiate({ registerDeviceRequest: { activationCode, metadata } })).unwrap();
  return store.dispatch(getDevice.initiate({ deviceId: device.id })).unwrap();
}

// The properties that the device of each test reports. One of them is not listed in the contract.
export const metadata = { model: 'PX-400', firmwareVersion: '2.8.1', site: 'north' };

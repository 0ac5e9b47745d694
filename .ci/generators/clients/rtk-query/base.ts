import { createApi, fetchBaseQuery } from '@reduxjs/toolkit/query';

export const address = { baseUrl: '', token: '' };

// base is the API to which the generated code adds the endpoints.
export const base = createApi({
  baseQuery: (args, api, options) =>
    fetchBaseQuery({
      baseUrl: address.baseUrl,
      prepareHeaders: (headers) => headers.set('Authorization', `Bearer ${address.token}`),
    })(args, api, options),
  endpoints: () => ({}),
});

// The generators, each with the command that writes a client into the folder `generated`. A
// command runs in the generator's folder below `clients`, with the programs of node_modules.
const contract = '../../../../openapi.yaml';

export const generators = {
  'openapi-fetch': ['openapi-typescript', contract, '--default-non-nullable=false', '-o', 'generated/contract.ts'],
  'rtk-query': ['rtk-query-codegen-openapi', 'config.cjs'],
  orval: ['orval', '--config', 'config.mjs'],
  kubb: ['kubb', 'generate', '--config', 'config.mjs'],
  'hey-api': ['openapi-ts', '-i', contract, '-o', 'generated', '-c', '@hey-api/client-fetch'],
  'swagger-typescript-api': ['swagger-typescript-api', 'generate', '-p', contract, '-o', 'generated', '-n', 'api.ts'],
  'openapi-zod-client': ['openapi-zod-client', contract, '-o', 'generated/api.ts', '--export-schemas', '--with-alias'],
  'openapi-typescript-codegen': ['openapi', '--input', contract, '--output', 'generated'],
  ogen: ['go', 'tool', 'ogen', '--clean', '--package', 'generated', '--target', 'generated', '--config', 'config.yaml', contract],
  'oapi-codegen': ['go', 'tool', 'oapi-codegen', '-config', 'config.yaml', contract],
};

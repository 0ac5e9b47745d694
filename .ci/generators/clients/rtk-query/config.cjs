module.exports = {
  schemaFile: '../../../../openapi.yaml',
  apiFile: './base.ts',
  apiImport: 'base',
  outputFile: './generated/api.ts',
  exportName: 'fieldgate',
};

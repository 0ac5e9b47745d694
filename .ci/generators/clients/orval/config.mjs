export default {
  fieldgate: {
    input: '../../../../openapi.yaml',
    output: { target: './generated/api.ts', client: 'axios-functions' },
  },
};

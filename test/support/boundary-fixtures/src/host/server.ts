export const server = 'src/host/server';

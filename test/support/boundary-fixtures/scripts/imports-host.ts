export { server } from '../src/host/server.ts';

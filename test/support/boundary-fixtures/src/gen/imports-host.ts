export { server } from '../host/server.ts';

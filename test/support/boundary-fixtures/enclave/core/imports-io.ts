export { socket } from '../io/socket.ts';

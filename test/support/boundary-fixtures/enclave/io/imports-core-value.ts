export { lifecycle } from '../core/lifecycle.ts';

export * as inspector from 'node:inspector';

export * as net from 'node:net';

export * as crypto from 'node:crypto';

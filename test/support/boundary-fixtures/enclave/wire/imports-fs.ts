export * as fs from 'node:fs';

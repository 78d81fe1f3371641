export * as http from 'node:http';

export * as jose from 'jose';

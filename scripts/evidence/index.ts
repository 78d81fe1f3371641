// Makes evidence for vectors and tests (test/vectors/evidence.json, key-statement.json).
export * from './bytes.ts';
export * from './certificates.ts';
export * from './evidence.ts';
export * from './keys.ts';
export * from './policy.ts';
export * from './statements.ts';

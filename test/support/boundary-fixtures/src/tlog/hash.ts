export const hash = 'src/tlog/hash';

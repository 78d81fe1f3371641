export const build = 'scripts/build';

export const sign = 'src/cli/sign';
